"""What a network is told beside its input, and does not use: a step, a condition; or is never told."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from chainrule.analysis._tape import Tape
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._probe import askable, probing
from chainrule.diagnosis.doctor.findings import Fact, Finding

FEWEST = 4
"""Examples from which on an argument that differs among them says something of each."""
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
                    "use it in forward: an embedding of the step, level or condition, added or joined",
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
    levels = [level for batch in case.batches[:LOOKED] if (level := _level(batch)) is not None]
    if len(levels) < LOOKED:
        return
    batch, level = case.batches[0], torch.cat(levels)
    assert batch.criterion is not None
    yield Finding(
        "noise-level-not-given",
        "The network is to find noise that is mixed in at another level in each example, and is not told the level.",
        "warning",
        0.75,
        (
            Fact("factor of the noise, by example", f"{_range(level)}, spread {float(level.std()):.3g}"),
            Fact("what the network is given beside the mixture", "nothing"),
        ),
        "model(noisy, step): an embedding of the step, or of the level, beside the input",
        case.place(batch.line(batch.criterion.operation)),
        explains=("underfits", "prediction-not-scaled-back"),
    )


def _level(batch: Batch) -> Tensor | None:
    """By how much the noise that is the target is in each example of the only input; None where it is one level."""
    target = batch.targets
    if len(batch.calls) != 1 or len(batch.calls[0].inputs) != 1 or target is None or not batch.inputs:
        return None
    given = batch.inputs[0]
    if given.shape != target.shape or not target.is_floating_point() or len(given) < FEWEST or given.ndim < 2:
        return None
    noise, mixed = target.flatten(1).double(), given.flatten(1).double()
    if noise.shape[1] < WIDE or noise.numel() < MANY or not _drawn(noise) or bool((noise == mixed).all()):
        return None
    size = noise.square().sum(1)
    level = (noise * mixed).sum(1) / size
    rest = mixed - level[:, None] * noise
    error = (rest.square().mean(1) / size).sqrt()
    varies = float(level.var()) > VARIES * float(error.square().mean()) and float(level.std()) > LEAST_SPREAD
    return level if varies and float(level.abs().mean()) > LEAST_SPREAD else None


def _drawn(noise: Tensor) -> bool:
    """Whether numbers look drawn from a normal distribution of mean zero and spread one."""
    fourth = float(noise.pow(4).mean())
    return abs(float(noise.mean())) < 0.1 and abs(float(noise.std()) - 1) < 0.1 and abs(fourth - 3) < 0.6


WIDE = 16
"""Numbers of an example from which on the share of noise in each is known well enough."""
MANY = 1_000
"""Numbers of a batch from which on their distribution is."""
VARIES = 4.0
"""How many times larger the levels' variance must be than what is left to chance."""
LEAST_SPREAD = 0.05
"""Spread of the levels, and their mean, below which they are one."""
