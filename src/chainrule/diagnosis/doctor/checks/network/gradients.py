"""Which parameters get a gradient, and where a graph is cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._events import Loaded
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._layers import modules_of, spot
from chainrule.diagnosis.doctor.checks.network._trial import can_try, trial
from chainrule.diagnosis.doctor.checks.network.thrown import line_of, unheard
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

LEVELLED = frozenset(
    {"round", "round_", "floor", "floor_", "ceil", "ceil_", "trunc", "sign", "sgn", "fix", "heaviside"}
)
"""Functions whose derivative is zero wherever it exists."""


@dataclass(frozen=True)
class Reach:
    """Where the gradient of a recorded loss goes.

    Args:
        used: Ids of parameters that the loss depends on.
        reached: Ids of those that get a gradient.
        cuts: Operations that let a value on its way to the loss through and its gradient not.
    """

    used: frozenset[int]
    reached: frozenset[int]
    cuts: tuple[Operation, ...]


def reach(batch: Batch) -> Reach:
    """Follow the loss back, along all values, and along those that carry gradients."""
    tape = batch.tape
    on_way, carrying, cuts = {batch.loss}, {batch.loss}, []
    for operation in reversed(tape.operations):
        made = {*operation.results, *operation.changed}
        if not made & on_way:
            continue
        on_way.update(operation.inputs)
        gives = made & carrying
        learned = [i for i in operation.inputs if i in batch.learned and _carries(batch, i)]
        through = gives and operation.function not in LEVELLED and any(_carries(batch, i) for i in gives)
        if through:
            carrying.update(i for i in operation.inputs if _carries(batch, i))
        elif learned and (gives or not any(_carries(batch, i) for i in made)):
            cuts.append(operation)
    leaves = {v.index: id(v.tensor) for v in tape.values if v.operation is None and v.index in batch.learned}
    used = frozenset(key for index, key in leaves.items() if index in on_way)
    return Reach(used, frozenset(key for index, key in leaves.items() if index in carrying), tuple(cuts))


def _carries(batch: Batch, index: int) -> bool:
    return batch.tape.values[index].tensor.requires_grad


def trained(case: Case) -> dict[str, Tensor]:
    """The parameters that somebody means to train: they ask for gradients, and an optimizer, if any, has them."""
    owned = case.owned
    return {n: p for n, p in case.parameters.items() if p.requires_grad and (not owned or id(p) in owned)}


@check("graph-cut")
def graph_cut(case: Case) -> Iterator[Finding]:
    """Parameters that the loss depends on and the optimizer has get no gradient, since the graph is cut before them."""
    if not case.batches:
        return
    reaches = [reach(batch) for batch in case.batches]
    used = frozenset().union(*(r.used for r in reaches))
    reached = frozenset().union(*(r.reached for r in reaches))
    lost = {n: p for n, p in trained(case).items() if id(p) in used and id(p) not in reached}
    copied = {} if lost else _left_torch(case, used)
    if not lost and not copied:
        return
    loaded = any(
        p is each for event in case.seen.of(Loaded) for p in event.module.parameters() for each in lost.values()
    )
    place, batch = next(((r, b) for r, b in zip(reaches, case.batches) if r.cuts), (None, case.batches[0]))
    cut = _nearest(batch, place.cuts, {id(p) for p in lost.values()}) if place is not None and lost else None
    names = [*(lost or copied)]
    how = _how(cut) if cut is not None else "values leave torch (numpy, tolist, item) and come back without a graph"
    share = sum(p.numel() for p in (lost or copied).values()) / max(1, sum(p.numel() for p in case.parameters.values()))
    mended = case.batches and cut is not None and cut.function in ("detach", "data", "detach_") and can_try(case)
    tried = None
    if mended and cut is not None:
        actions = {i: _passing(b) for i, b in enumerate(case.batches)}
        before, after = trial(case, steps=40), trial(case, steps=40, actions=actions)
        tried = Tried("the cut left out", before.words(), after.words(), after.last < before.last)
    yield Finding(
        "graph-cut",
        f"{len(names)} parameters ({', '.join(names[:2])}{' ...' if len(names) > 2 else ''}) get no gradient: {how}",
        "note" if loaded else "fault",
        0.5 if loaded else 0.97 if lost else 0.85,
        (
            Fact("parameters that the loss depends on and that never get a gradient", ", ".join(names[:6])),
            Fact("share of all parameters", f"{share:.0%}"),
            Fact("where the gradient ends", f"{how}" + (f" in {cut.module or 'the network'}" if cut else "")),
        ),
        "remove what cuts the graph; where these parameters are meant to stay, set requires_grad_(False) on them",
        spot(case, batch, cut) if cut is not None else names[0].rpartition(".")[0],
        tried,
        (
            "underfits",
            "dead-units",
            "gradients-vanish",
            "frozen-at-random",
            "one-batch-is-not-learned",
            "loss-does-not-move",
            "unused-layer",
        ),
    )


def _how(cut: Operation) -> str:
    if cut.function in ("detach", "detach_", "data"):
        return f"`{'.data' if cut.function == 'data' else '.detach()'}` cuts the graph"
    if cut.function in LEVELLED:
        return f"`{cut.function}` has a derivative of zero everywhere"
    if cut.function in (
        "argmax",
        "argmin",
        "topk",
        "sort",
        "multinomial",
        ">",
        "gt",
        "lt",
        "ge",
        "le",
        "eq",
        "long",
        "int",
    ):
        return f"`{cut.function}` has no derivative"
    return f"`{cut.function}` runs without gradients (no_grad, or a function without a derivative)"


def _nearest(batch: Batch, cuts: tuple[Operation, ...], lost: set[int]) -> Operation | None:
    """The cut that what is lost lies behind, the nearest to the loss."""
    for cut in cuts:
        behind = set(cut.inputs)
        for operation in reversed(batch.tape.operations[: _position(batch, cut)]):
            if behind & {*operation.results, *operation.changed}:
                behind.update(operation.inputs)
        if any(id(batch.tape.values[i].tensor) in lost for i in behind):
            return cut
    return cuts[0] if cuts else None


def _position(batch: Batch, operation: Operation) -> int:
    return next(i for i, each in enumerate(batch.tape.operations) if each is operation)


def _passing(batch: Batch) -> dict[int, Any]:
    """Actions that let gradients through where they were cut."""
    return {o.index: _through for o in reach(batch).cuts if o.function in ("detach", "data", "detach_")}


def _through(tensor: Tensor, *_: Any, **__: Any) -> Tensor:
    return tensor * 1


def _left_torch(case: Case, used: frozenset[int]) -> dict[str, Tensor]:
    """Parameters of layers that ran without the loss depending on them, in a network that uses tensors from nowhere."""
    batch = case.batches[0]
    inner = {i for call in batch.tape.calls for i in call.inputs}
    given = {i for call in batch.calls for i in call.inputs}
    appeared = [
        value
        for value in batch.tape.values
        if value.operation is None
        and value.kind == "constant"
        and value.dtype.is_floating_point
        and value.index not in given
        and value.shape
        and (value.index in inner or _inside(batch, value.index))
    ]
    others = {id(v.tensor) for b in case.batches[1:] for v in b.tape.values if v.operation is None}
    if not any(id(value.tensor) not in others for value in appeared) or len(case.batches) < 2:
        return {}
    ran = {id(call.module) for call in batch.tape.calls}
    silent = {id(p) for c in unheard(batch) if line_of(case, c) for p in c.module.parameters()}
    within = {id(p) for _, m in modules_of(case) if id(m) in ran for p in m.parameters(recurse=False)} - silent
    return {n: p for n, p in trained(case).items() if id(p) in within and id(p) not in used}


def _inside(batch: Batch, index: int) -> bool:
    return any(index in o.inputs and o.call is not None for o in batch.tape.operations)
