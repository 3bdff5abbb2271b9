"""What a network is told beside its input, and does not use: a step, a condition; or is never told."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from chainrule.analysis._tape import Operation, Tape
from chainrule.analysis._tape_modules import Call
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._probe import askable, probing
from chainrule.diagnosis.doctor.findings import Fact, Finding

FEWEST = 4
"""Examples from which on an argument that differs among them says something of each."""
JOINED = frozenset({"cat", "concat", "concatenate", "stack", "hstack", "column_stack", "vstack"})
"""What puts one thing beside another."""
LOOKED = 3
"""Recorded steps in which it must be unused."""


@check("argument-ignored", experiment=True)
def argument_ignored(case: Case) -> Iterator[Finding]:
    """Exchange one argument between the examples: where no answer moves, and no step has used it, it is ignored."""
    for title, forward in askable(case):
        places = _unused(case, forward.module)
        if not places:
            continue
        with probing(case, title, forward) as probe:
            if probe is None or len(probe.tensors) < 2:
                continue
            before = probe.ask()
            for place in places:
                if before is None or place >= len(probe.tensors) or not _telling(probe.tensors, place):
                    continue
                other = probe.tensors[place]
                after = probe.ask(partial(_rolled, tensor=other))
                if after is None or after.shape != before.shape or not torch.equal(before, after):
                    continue
                yield Finding(
                    "argument-ignored",
                    f"The network is given a value for each example as argument {place + 1}, and does not use it.",
                    "fault",
                    0.93,
                    (
                        Fact("its values", _range(other)),
                        Fact("change of the answers when they are exchanged between the examples", "none"),
                        Fact("gradient that comes through it, in recorded steps", "none: no operation uses it"),
                    ),
                    "use it in forward: an embedding of the step, level or condition, added to the input or joined with it",
                    title,
                    explains=("underfits", "unused-layer", "part-of-input-unseen", "prediction-not-scaled-back"),
                )
                return


def _rolled(given: Tensor, tensor: Tensor) -> Tensor:
    """An argument with its examples moved on by one; others as they are."""
    return given.roll(1, 0) if given.shape == tensor.shape and torch.equal(given, tensor) else given.clone()


def _range(tensor: Tensor) -> str:
    return f"{float(tensor.min()):.4g} to {float(tensor.max()):.4g}, {_kinds(tensor)} of them"


def _kinds(tensor: Tensor) -> int:
    return len(torch.unique(tensor))


def _telling(tensors: list[Tensor], place: int) -> bool:
    """Whether an argument says something of each example, and is no mask and no copy of another one."""
    given = tensors[place]
    if given.dtype == torch.bool or not given.ndim or len(given) != len(tensors[0]) or len(given) < FEWEST:
        return False
    copies = any(i != place and t.shape == given.shape and torch.equal(t, given) for i, t in enumerate(tensors))
    return not copies and bool((given != given[:1]).any()) and given.ndim <= 2 and given[0].numel() <= 16


def _unused(case: Case, module: torch.nn.Module) -> list[int]:
    """The places of arguments that led to nothing in the recorded steps."""
    found: set[int] | None = None
    for batch in case.batches[:LOOKED]:
        for call in batch.calls:
            if call.module is not module:
                continue
            leads = _leading(batch.tape, set(call.outputs))
            idle = {place for place, value in enumerate(call.inputs) if place and value not in leads}
            found = idle if found is None else found & idle
    return sorted(found or ())


def _leading(tape: Tape, wanted: set[int]) -> set[int]:
    """The values that some others were computed from."""
    found = set(wanted)
    for operation in reversed(tape.operations):
        if found.intersection((*operation.results, *operation.changed)):
            found.update(operation.inputs)
    return found


@check("noise-level-not-given")
def noise_level_not_given(case: Case) -> Iterator[Finding]:
    """Noise that is to be found again, mixed in at a level that differs from example to example and is told nowhere."""
    levels: list[tuple[Batch, Operation, Tensor]] = []
    for batch in case.batches[:LOOKED]:
        found = _mixed(batch)
        if found is None:
            return
        levels.append((batch, *found))
    if len(levels) < LOOKED:
        return
    batch, operation, level = levels[0]
    yield Finding(
        "noise-level-not-given",
        "The network is to find noise that is mixed in at another level in each example, and is not told the level.",
        "warning",
        0.75,
        (
            Fact("factors of the noise", _range(level)),
            Fact("what the network is given beside the mixture", "nothing that they were computed from"),
        ),
        "model(noisy, step): an embedding of the step, or of the level, beside the input",
        case.place(batch.line(operation)),
        explains=("underfits", "prediction-not-scaled-back"),
    )


def _mixed(batch: Batch) -> tuple[Operation, Tensor] | None:
    """The operation that multiplies the target of the loss by a level of each example, on the way to the input."""
    target = batch.criterion.target if batch.criterion else None
    if target is None or len(batch.calls) != 1 or not batch.calls[0].inputs:
        return None
    call, tape = batch.calls[0], batch.tape
    way = _leading(tape, {call.inputs[0]})
    made = [o for o in tape.operations if way.intersection((*o.results, *o.changed))]
    if any(o.function in JOINED and set(o.results) <= way for o in made):
        return None  # the level may stand beside the mixture
    for operation in tape.operations:
        if operation.function not in ("*", "mul") or target not in operation.inputs or len(operation.inputs) != 2:
            continue
        if not way.intersection(operation.results):
            continue
        factor = next((i for i in operation.inputs if i != target), target)
        level = tape.values[factor].tensor
        each = level.ndim >= 1 and level.shape[0] == tape.values[target].shape[0] and level[0].numel() == 1
        if each and _kinds(level) > 2 and not _told(tape, call, factor, target):
            return operation, level
    return None


def _told(tape: Tape, call: Call, factor: int, target: int) -> bool:
    """Whether anything that the network is given shares what the level was computed from, but the mixture itself."""
    sources = {i for i in _leading(tape, {factor}) if len(tape.values[i].shape) and i != target}
    varied = {i for i in sources if tape.values[i].shape[0] == tape.values[target].shape[0]}
    return any(_leading(tape, {value}) & varied for value in call.inputs[1:])
