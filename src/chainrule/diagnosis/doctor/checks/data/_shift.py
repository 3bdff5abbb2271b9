"""Sequences whose targets are shifted against their inputs by more than one place."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.analysis._replay import play
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.findings import Fact, Finding

FAR = 4
"""Places up to which a shift is looked for."""
EXACT = 0.98
"""Share of the targets that are the input so many places on."""
KINDS = 6
"""Tokens that differ, below which shifts look alike."""


@check("target-shifted-twice")
def shifted_twice(case: Case) -> Iterator[Finding]:
    """Follow each target back to the place of the answer that it is compared with, and look for it in the input."""
    for batch in case.batches[:2]:
        found = shift_of(batch)
        if found is None:
            continue
        shift, share, axis = found
        if shift < 2:
            return
        assert batch.criterion is not None
        yield Finding(
            "target-shifted-twice",
            f"The answer at each place is compared with the token {shift} places on, not with the next one.",
            "fault",
            0.96,
            (
                Fact(f"targets that are the input {shift} places after the answer's", f"{share:.1%}"),
                Fact("axis of time of the input", str(axis)),
            ),
            change="shift once: either y = x[1:] in the data, or scores[:, :-1] with x[:, 1:] in the loss",
            where=case.place(batch.line(batch.criterion.operation)),
            explains=(*LEARNS_LITTLE, "labels-unrelated", "overfits"),
        )
        return


def shift_of(batch: Batch) -> tuple[int, float, int] | None:
    """How many places on the targets stand in the input, the share of those that do, and the axis of time.

    None where the targets are not tokens of the input. A shift of 1 is that of language models.
    """
    targets = batch.targets
    if batch.criterion is None or targets is None or targets.is_floating_point() or len(batch.calls) != 1:
        return None
    call = batch.calls[0]
    if not call.outputs:
        return None
    shape = batch.tape.values[call.outputs[0]].shape
    places = _places(batch, call.outputs[0], shape)
    if places is None or places.numel() != targets.numel():
        return None
    wanted, places = targets.reshape(-1), places.reshape(-1)
    for index in call.inputs:
        value = batch.tape.values[index]
        if not batch.is_data(index) or value.tensor.is_floating_point() or value.shape != tuple(shape[:2]):
            continue
        if len(value.tensor.unique()) < KINDS or value.tensor.dtype == torch.bool:
            continue
        for axis in (1, 0):
            found = _best(value.tensor, places, wanted, axis)
            if found is not None:
                return (*found, axis)
    return None


def _best(tokens: Tensor, places: Tensor, wanted: Tensor, axis: int) -> tuple[int, float] | None:
    """The shift along an axis at which nearly all targets are the input there."""
    width = tokens.shape[1]
    rows, cols = places // width, places % width
    for shift in range(-FAR, FAR + 1):
        moved = (rows, cols + shift) if axis == 1 else (rows + shift, cols)
        inside = (moved[axis] >= 0) & (moved[axis] < tokens.shape[axis]) & (wanted >= 0)
        if int(inside.sum()) < 24:
            continue
        same = tokens[moved[0][inside], moved[1][inside]] == wanted[inside]
        if float(same.double().mean()) >= EXACT:
            return shift, float(same.double().mean())
    return None


@torch.no_grad()
def _places(batch: Batch, output: int, shape: tuple[int, ...]) -> Tensor | None:
    """For each target the place (row * columns + column of the output's first two axes) of the answer beside it."""
    made, criterion = batch.made_by(output), batch.criterion
    if made is None or criterion is None or len(shape) != 3 or len(made.results) != 1:
        return None
    numbers = torch.arange(shape[0] * shape[1], dtype=torch.float64)
    marked = numbers.reshape(shape[0], shape[1], 1).expand(shape).contiguous()
    if criterion.prediction == output:
        read = marked
    else:
        try:
            read = play(batch.score, actions={made.index: lambda *args, **options: marked})[criterion.prediction]
        except (RuntimeError, IndexError, KeyError, TypeError, ValueError):
            return None
    targets = batch.targets
    if targets is None:
        return None
    for axis in (1, read.ndim - 1):
        found = read.select(axis, 0)
        if found.shape == targets.shape and bool((read == found.unsqueeze(axis)).all()):
            places = found.round().long()
            inside = int(places.min()) >= 0 and int(places.max()) < len(numbers)
            return places if inside and len(places.unique()) > 1 else None
    return None
