"""Signals and gradients on their way: units that are dead or saturated, gradients that vanish or explode."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._events import Clipped, owned_by
from chainrule.diagnosis.doctor._rehearse import State
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._layers import RECURRENT, Signals, affine_layers, signals, spot
from chainrule.diagnosis.doctor.checks.network._start import rescaled, weights_at_start
from chainrule.diagnosis.doctor.checks.network._trial import Trial, can_try, trial
from chainrule.diagnosis.doctor.checks.network.initialization import FLAT, LEARNS, SYMPTOMS
from chainrule.diagnosis.doctor.findings import Fact, Finding, Plot, Tried

RECTIFYING = frozenset({"relu", "relu_", "relu6"})
BOUNDED = frozenset({"tanh", "tanh_", "sigmoid", "sigmoid_"})
MOSTLY_DEAD = 0.9
"""Share of a layer's units from which little gets through; a tenth or a third is common in networks that learn well."""
MANY_DEAD = 0.4
"""Share worth a note."""
VANISHED = 1e-4
"""Gradient of the first layer over that of the last, each over its weights: usual ones are within a factor of 100."""
FADING = 2e-2
"""The same, from which it is tried whether the steps go better with activations that let it through."""
JUMP = 100.0
"""Largest gradient norm over the median one: one bad batch gives ten."""


@check("dead-units", "saturated-units", experiment=True)
def units(case: Case) -> Iterator[Finding]:
    """Units that are zero, or at their bound, for all examples of all recorded batches, at the end."""
    if not case.batches:
        return
    states: list[tuple[str, State]] = [("at the end", case.final)]
    chosen = case.batches[:6]
    for when, state in states:
        alive: dict[str, Tensor] = {}
        bound: dict[str, list[float]] = {}
        places: dict[str, tuple[Batch, Any]] = {}
        for batch in chosen:
            values = batch.played(state)
            for number, operation in enumerate(o for o in batch.tape.operations if o.function in RECTIFYING | BOUNDED):
                out = values.get(operation.results[0])
                if (
                    out is None
                    or out.ndim < 2
                    or operation.results[0] in batch.outputs
                    or not torch.isfinite(out).all()
                ):
                    continue
                name = f"{operation.module or operation.function}#{number}"
                places.setdefault(name, (batch, operation))
                if operation.function in RECTIFYING:
                    channel = 1 if out.ndim == 4 else out.ndim - 1
                    some = (out != 0).flatten(0).reshape(out.shape).movedim(channel, 0).flatten(1).any(1)
                    alive[name] = some | alive[name] if name in alive and alive[name].shape == some.shape else some
                else:
                    scaled = out if operation.function.startswith("tanh") else 2 * out - 1
                    bound.setdefault(name, []).append(float((scaled.abs() > 0.99).float().mean()))
        yield from _dead(case, alive, places, when)
        yield from _saturated(case, bound, places, when)


def _dead(case: Case, alive: dict[str, Tensor], places: dict[str, Any], when: str) -> Iterator[Finding]:
    shares = {name: 1 - float(some.float().mean()) for name, some in alive.items() if len(some) >= 4}
    name = max(shares, key=lambda each: shares[each], default=None)
    if name is None or shares[name] < MANY_DEAD:
        return
    share = shares[name]
    yield Finding(
        "dead-units",
        f"{share:.0%} of the units of a ReLU layer are zero for every example that was seen, {when}",
        "warning" if share >= MOSTLY_DEAD else "note",
        0.55,
        (
            Fact("units that are zero for all recorded examples", f"{share:.0%} of {len(alive[name])}"),
            Fact("layers with dead units", ", ".join(f"{s:.0%}" for s in list(shares.values())[:10])),
        ),
        "a lower rate, He initialization with biases of zero, or leaky_relu; dead units get no gradient back",
        spot(case, *places[name]),
        None,
        ("input-ignored",) if share == 1 else (),
    )


def _saturated(case: Case, bound: dict[str, list[float]], places: dict[str, Any], when: str) -> Iterator[Finding]:
    shares = {name: sum(each) / len(each) for name, each in bound.items()}
    name = max(shares, key=lambda each: shares[each], default=None)
    if name is None or shares[name] < 0.5:
        return
    yield Finding(
        "saturated-units",
        f"{shares[name]:.0%} of a layer's outputs are at the bounds of {places[name][1].function}, {when}: "
        "no gradient gets through",
        "warning" if shares[name] >= MOSTLY_DEAD else "note",
        0.5,
        (Fact("share of outputs within 1 % of a bound", f"{shares[name]:.0%} (usual: below 10 %)"),),
        "inputs of mean 0 and spread 1, Xavier initialization, a lower rate, or a norm before the activation",
        spot(case, *places[name]),
    )


@check("gradients-vanish", experiment=True)
def vanish(case: Case) -> Iterator[Finding]:
    """The gradient of the first layers is nothing beside that of the last; activations that let it through learn."""
    if not can_try(case):
        return
    batch = case.batches[0]
    found = signals(batch, case.rehearsal.start())
    sizes = _relative(batch, found)
    if len(sizes) < 3 or sizes[-1] <= 0 or sizes[0] / sizes[-1] > FADING:
        return
    bounded = [o for o in batch.tape.operations if o.function in BOUNDED and o.results[0] not in batch.outputs]
    before = trial(case)
    if before.gain >= FLAT or not bounded:
        return
    actions = {i: {o.index: _relu for o in b.tape.operations if o.function in BOUNDED and o.results[0] not in b.outputs}
               for i, b in enumerate(case.batches)}  # fmt: skip
    weights = [w for w in weights_at_start(case) if w.size > 0]
    state = rescaled(case, weights)
    with torch.no_grad():
        for each in weights:
            state[each.key] *= math.sqrt(2)
    after = trial(case, state=state, actions=actions)
    helped = after.gain > max(LEARNS, 3 * before.gain)
    if not helped and sizes[0] / sizes[-1] > VANISHED:
        return
    points = [(float(i), math.log10(max(s, 1e-30))) for i, s in enumerate(sizes)]
    yield Finding(
        "gradients-vanish",
        f"the gradient fades on its way back: {sizes[0] / sizes[-1]:.1g} of it is left at the first layer",
        "fault" if helped else "warning",
        0.9 if helped else 0.5,
        (
            Fact("gradient over weights, first layer over last", f"{sizes[0] / sizes[-1]:.2g} (usual: 0.01 to 100)"),
            Fact("activations that saturate", f"{len(bounded)} of {bounded[0].function}"),
        ),
        "ReLU with He initialization in place of sigmoid or tanh, norms, skip connections",
        spot(case, batch, bounded[0]),
        Tried("ReLU and He initialization", before.words(), after.words(), helped),
        SYMPTOMS,
        Plot("gradient over weights, per layer", "layer", "log10", {"at the start": points}),
    )


def _relu(given: Tensor, *_: Any, **__: Any) -> Tensor:
    return torch.relu(given)


def _relative(batch: Batch, found: Signals) -> list[float]:
    """Norm of the gradient over that of the weights, of each affine layer."""
    sizes = []
    for layer in affine_layers(batch):
        gradient, weight = found.gradients.get(layer.weight), found.values.get(layer.weight)
        if gradient is not None and weight is not None and float(weight.norm()) > 0:
            sizes.append(float(gradient.norm() / weight.norm()))
    return sizes


@check("gradients-explode", experiment=True)
def explode(case: Case) -> Iterator[Finding]:
    """The gradient's norm jumps by orders of magnitude, in a network with long paths; clipped, it learns."""
    norms = [move.norm for move in case.moves]
    if len(norms) < 5 or case.seen.of(Clipped) or not can_try(case):
        return
    finite = sorted(n for n in norms if math.isfinite(n) and n > 0)
    if not finite:
        return
    median = finite[len(finite) // 2]
    broken = len(finite) < len([n for n in norms if n != 0]) or finite[-1] > JUMP * median
    if not broken or not _long(case.batches[0]):
        return
    before = trial(case, steps=24)
    after = _clipped(case, min(1.0, median))
    helped = not math.isfinite(before.last) or after.last < 0.5 * before.last
    helped = helped and math.isfinite(after.last) and after.last <= 1.02 * after.first
    yield Finding(
        "gradients-explode",
        f"the gradient's norm jumps from {median:.2g} to {finite[-1]:.2g}: it explodes on its long way back",
        "fault" if helped else "warning" if not math.isfinite(norms[-1]) else "note",
        0.82 if helped else 0.5,
        (
            Fact("norm of the gradient: median, largest", f"{median:.3g}, {max(norms):.3g}"),
            Fact("clipping", "none"),
        ),
        f"nn.utils.clip_grad_norm_(model.parameters(), {min(1.0, median):.2g}) before the step",
        "",
        Tried("clipped", before.words(), after.words(), helped),
        ("loss-diverges", "loss-oscillates"),
        Plot("norm of the gradient", "step", "log10",
             {"norm": [(float(i), math.log10(n)) for i, n in enumerate(norms) if n > 0 and math.isfinite(n)]}),
    )  # fmt: skip


def _long(batch: Batch) -> bool:
    """Whether gradients go through time, or through many layers."""
    weights = [layer.weight for layer in affine_layers(batch)]
    return any(o.function in RECURRENT for o in batch.tape.operations) or (
        len(weights) > 4 and len(set(weights)) <= len(weights) // 2
    )


def _clipped(case: Case, limit: float) -> Trial:
    def remake(state: State) -> torch.optim.Optimizer:
        made = case.rehearsal.optimizer(state)
        held = owned_by(made)

        def hook(*_: Any) -> None:
            torch.nn.utils.clip_grad_norm_(held, limit)

        made.register_step_pre_hook(hook)
        return made

    return Trial(tuple(case.rehearsal.train(24, optimizer=remake)))
