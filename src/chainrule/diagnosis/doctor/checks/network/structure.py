"""What the layers make of each other: nothing between them that bends, too narrow a passage, noise on the scores."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from chainrule.analysis._replay import leave_out
from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._layers import (
    CONVOLUTIONS,
    PRODUCTS,
    SHAPING,
    Affine,
    Chain,
    affine_layers,
    chains,
    spot,
)
from chainrule.diagnosis.doctor.checks.network._trial import Trial, can_try, trial
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

NARROW = 2
"""Units that are hardly a layer: two numbers cannot carry more than a picture of the classes."""
WIDE = 8
"""Inputs of a layer from which two units are a bottleneck."""
ENOUGH = 40
"""Steps of a trial with wider layers below which it says nothing."""
CLEARLY = 0.85
"""Loss after a trial with activations, over that without, from which their lack is a fault."""


@check("no-activation", experiment=True)
def no_activation(case: Case) -> Iterator[Finding]:
    """Two affine layers with nothing that bends between them are one; activations between them learn better."""
    if not case.batches or not can_try(case):
        return
    batch = case.batches[0]
    layers, found = affine_layers(batch), _missing(batch)
    if not found:
        return
    whole = _is_one_map(batch)
    before = trial(case, steps=100)
    after = trial(case, steps=100, actions={i: _bent(b) for i, b in enumerate(case.batches)})
    helped = after.last < CLEARLY * before.last if before.last > 0 else after.last < before.last
    fault = helped or whole
    first, second = found[0].first, found[0].second
    names = f"{first.operation.module or 'a layer'} and {second.operation.module or 'the next'}"
    yield Finding(
        "no-activation",
        "the whole network is one linear map: there is no activation between its layers"
        if whole
        else f"there is no activation between {names}: together they are one linear layer",
        "fault" if fault else "note",
        (0.96 if helped else 0.85) if whole else 0.8 if helped else 0.4,
        (
            Fact("pairs of layers with nothing nonlinear between them", f"{len(found)} of {max(1, len(layers) - 1)}"),
            Fact("the first pair", f"{first.fan_in} -> {first.fan_out} -> {second.fan_out}"),
        ),
        "an activation such as nn.ReLU() after each hidden layer",
        spot(case, batch, first.operation),
        Tried("ReLU between them", before.words(), after.words(), helped),
        ("underfits", "one-batch-is-not-learned") if whole else (),
    )


def _missing(batch: Batch) -> list[Chain]:
    """The pairs between which a reader misses an activation; where nothing bends in the whole network, all."""
    found = chains(batch)
    return found if _is_one_map(batch) else [chain for chain in found if _unmeant(batch, chain)]


def _is_one_map(batch: Batch) -> bool:
    """Whether all layers of the network together are one linear map, and no code is meant by it."""
    layers = affine_layers(batch)
    firsts = {chain.first.operation.index for chain in chains(batch)}
    inner = all(layer.operation.index in firsts for layer in layers[:-1])
    return len(layers) > 1 and inner and len(batch.calls) < 2 and not _rebuilds(batch)


def _unmeant(batch: Batch, chain: Chain) -> bool:
    """Whether a reader would miss an activation here: not a factorization, a separable convolution, or a projection."""
    first, second = chain.first, chain.second
    if first.groups > 1 or second.groups > 1 or first.weight == second.weight:
        return False
    wide = batch.tape.values[first.weight].shape[1] if first.operation.function in CONVOLUTIONS else first.fan_in
    if first.fan_out < min(wide, second.fan_out):
        return False  # a bottleneck, a code, a factorization
    if first.operation.call is None or second.operation.call is None:
        both = batch.calls
        if both:  # one of them stands outside of the network, such as a probe
            return False
    uses = batch.tape.consumers()
    value = first.result
    for operation in (*chain.between, None):
        if len(uses[value]) > 1 or value in batch.outputs:
            return False  # it is used elsewhere too: a skip, a code that is returned
        value = operation.results[0] if operation is not None else value
    return not _attends(batch, second)


def _attends(batch: Batch, layer: Affine) -> bool:
    """Whether what a layer gives are queries, keys or values."""
    operations = {o.index: o for o in batch.tape.operations}
    uses, values = batch.tape.consumers(), [layer.result]
    for _ in range(8):
        after = [operations[i] for value in values for i in uses[value]]
        if any(o.function in PRODUCTS and len([i for i in o.inputs if i in batch.learned and
               batch.tape.values[i].operation is not None]) > 1 for o in after):  # fmt: skip
            return True
        values = [r for o in after if o.function in SHAPING | {"*", "/"} for r in o.results]
    return False


def _bent(batch: Batch) -> dict[int, Any]:
    """Actions that put a ReLU behind each first layer of such a pair."""
    return {c.first.operation.index: _then_relu(c.first.operation.target) for c in _missing(batch)}


def _then_relu(target: Any) -> Any:
    return lambda *arguments, **options: F.relu(target(*arguments, **options))


@check("layer-too-narrow", experiment=True)
def layer_too_narrow(case: Case) -> Iterator[Finding]:
    """A layer of one or two units between wide ones; a wider one in its place learns better."""
    if not case.batches or not can_try(case):
        return
    batch = case.batches[0]
    if _rebuilds(batch):
        return  # an autoencoder: the code is meant to be small
    for layer in affine_layers(batch):
        if layer.fan_out > NARROW or layer.fan_in < WIDE:
            continue
        next_ = _taker(batch, layer)
        if next_ is None or next_.fan_out <= layer.fan_out:
            continue
        tried = _widened(case, batch, layer, next_)
        short = tried is None or min(len(each.losses) for each in tried) < ENOUGH
        helped = tried is None or short or tried[1].last < 0.9 * tried[0].last
        yield Finding(
            "layer-too-narrow",
            f"all that the network knows goes through {layer.fan_out} number{'s' * (layer.fan_out > 1)}: "
            f"{layer.fan_in} -> {layer.fan_out} -> {next_.fan_out}",
            "fault" if helped else "note",
            0.93 if helped and not short else 0.75 if helped else 0.4,
            (Fact("widths", f"{layer.fan_in} inputs, {layer.fan_out} units, {next_.fan_out} units after it"),),
            f"a layer of {2 ** round(math.log2(max(4, min(layer.fan_in, 64) / 2)))} units or more",
            spot(case, batch, layer.operation),
            Tried("32 units there", tried[0].words(), tried[1].words(), helped) if tried else None,
            ("underfits", "one-batch-is-not-learned", "loss-does-not-move", "one-answer-for-all", "dead-units"),
        )
        return


def _rebuilds(batch: Batch) -> bool:
    """Whether the target is the input."""
    targets = batch.targets
    same = any(targets is not None and x.numel() == targets.numel() and x.is_floating_point() for x in batch.inputs)
    return same or any(
        c.target is not None and batch.is_data(c.target) and batch.tape.values[c.target].tensor.numel() == x.numel()
        for c in batch.criteria
        for x in batch.inputs
        if x.is_floating_point()
    )


def _taker(batch: Batch, layer: Affine) -> Affine | None:
    """The next layer that is given these few numbers alone."""
    at = {a.operation.index: a for a in affine_layers(batch)}
    operations, uses = {o.index: o for o in batch.tape.operations}, batch.tape.consumers()
    channel = -1 if layer.operation.function in ("linear", "@", "matmul", "mm") else 1
    open_, seen = [layer.result], set()
    while open_:
        value = open_.pop()
        for index in uses[value]:
            if index in at and at[index].given == value and at[index].fan_in == layer.fan_out:
                same = _top(at[index].operation) is _top(layer.operation)
                if same:
                    return at[index]
            operation = operations[index]
            if index in seen or index in at or operation.function in PRODUCTS:
                continue
            seen.add(index)
            for result in {*operation.results, *operation.changed}:
                shape = batch.tape.values[result].shape
                if len(shape) > 1 and shape[channel] == layer.fan_out:
                    open_.append(result)
    return None


def _top(operation: Operation) -> Any:
    call = operation.call
    while call is not None and call.parent is not None:
        call = call.parent
    return None if call is None else call.module


def _widened(case: Case, batch: Batch, layer: Affine, next_: Affine) -> tuple[Trial, Trial] | None:
    """Trials with the layer as it is and with 32 units; None where the layers are not plain linear ones."""
    if {layer.operation.function, next_.operation.function} != {"linear"}:
        return None
    generator = torch.Generator().manual_seed(0)
    drawn = [
        torch.randn(32, layer.fan_in, generator=generator) * math.sqrt(2 / layer.fan_in),
        torch.randn(next_.fan_out, 32, generator=generator) * math.sqrt(2 / 32),
    ]
    state = case.rehearsal.start()
    new = [weight.requires_grad_() for weight in drawn]
    state.update({id(weight): weight for weight in new})
    weights = {id(batch.tape.values[a.weight].tensor): weight for a, weight in zip((layer, next_), new)}
    actions: dict[int, dict[int, Any]] = {}
    for i, each in enumerate(case.batches):
        actions[i] = {
            a.operation.index: _with(weights[key], a is not layer and key == id(batch.tape.values[next_.weight].tensor))
            for a in affine_layers(each)
            if (key := id(each.tape.values[a.weight].tensor)) in weights
        }
    return trial(case, steps=100, rate=3e-3), trial(case, steps=100, rate=3e-3, state=state, actions=actions)


def _with(weight: Tensor, keep_bias: bool) -> Any:
    def run(given: Tensor, _: Tensor, bias: Tensor | None = None) -> Tensor:
        return F.linear(given, weight, bias if keep_bias and bias is not None and len(bias) == len(weight) else None)

    return run


@check("dropout-on-scores", "norm-on-scores")
def last_operation(case: Case) -> Iterator[Finding]:
    """Dropout or a norm as the very last thing: scores are set to zero, or cannot grow."""
    for batch in case.batches[:1]:
        criterion = batch.criterion
        made = batch.made_by(criterion.prediction) if criterion is not None else None
        for _ in range(3):
            if made is not None and made.function in SHAPING:
                made = batch.made_by(made.inputs[0])
        if made is None or made.call is None:
            return
        if made.function in ("dropout", "dropout_", "feature_dropout") and made.arguments[1:2] != (0.0,):
            can = can_try(case)
            tried = None
            if can:
                actions = {
                    i: {o.index: leave_out for o in b.tape.operations if _same(o, made)}
                    for i, b in enumerate(case.batches)
                }
                one, other = trial(case, steps=30), trial(case, steps=30, actions=actions)
                tried = Tried("without it", one.words(), other.words(), other.last < one.last)
            yield Finding(
                "dropout-on-scores",
                "dropout is applied to the network's last outputs: scores are set to zero at random",
                "fault",
                0.85,
                (Fact("the last operation before the loss", made.function),),
                "dropout before the last layer, not after it",
                spot(case, batch, made),
                tried,
            )
        elif made.function in ("batch_norm", "layer_norm") and case.task in ("classes", "yes or no"):
            yield Finding(
                "norm-on-scores",
                "a norm stands behind the last layer: the size of the scores is fixed by it",
                "note",
                0.5,
                (Fact("the last operation before the loss", made.function),),
                "norms before the last layer, not after it",
                spot(case, batch, made),
            )


def _same(one: Operation, other: Operation) -> bool:
    return one.function == other.function and one.module == other.module
