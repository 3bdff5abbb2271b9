"""Losses that are not best where every answer is right: what takes probabilities is given scores."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.analysis._replay import Action
from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import BURST, LEARNS_BADLY, STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._comparisons import (
    SOFTMAX,
    SQUASHERS,
    Comparison,
    changes,
    comparisons,
    plain_name,
)
from chainrule.diagnosis.doctor.findings import Fact, Finding

RIGHT = 0.05
"""How near zero a loss must be where all answers are right, to be one that is best there: one minus an overlap."""
BEYOND = 0.1
"""How far below that it must come with answers that no probability can have."""
STEPS, RATE = 20, 0.1
"""How often, and by how much of one, each right answer is moved to where the loss falls."""


@check("scores-where-overlap-takes-probabilities")
def scores_in_overlap(case: Case) -> Iterator[Finding]:
    """Give the loss answers that are all right, and follow it from there: does it lead beyond zero and one?"""
    for each in comparisons(case)[:2]:
        found = _perfect(each)
        if found is None:
            continue
        operation, perfect = found
        place = case.seen.recorded.index(each.batch.event)
        right, beyond, moved = _from_right(case, place, operation, perfect)
        outside = bool(((moved < -RATE / 2) | (moved > 1 + RATE / 2)).any())
        if not abs(right) < RIGHT or not math.isfinite(beyond) or beyond > right - BEYOND or not outside:
            continue
        given = each.prediction
        yield Finding(
            "scores-where-overlap-takes-probabilities",
            "The overlap is computed from scores, which are not between 0 and 1: the loss is lower for answers that "
            "are no probabilities than for right ones.",
            "fault",
            0.96,
            (
                Fact("what it is given", f"numbers from {float(given.min()):.3g} to {float(given.max()):.3g}"),
                Fact("loss, were every answer right", f"{right:.3g}"),
                Fact("loss of answers beyond 0 and 1, which it is led to from there", f"{beyond:.3g}"),
            ),
            "prediction = torch.sigmoid(scores) (softmax for several classes) before the overlap.",
            each.where(case),
            explains=(*STANDSTILL, *BURST, *LEARNS_BADLY, "loss-with-wrong-sign", "class-never-counts"),
        )
        return


def _perfect(each: Comparison) -> tuple[Operation, Tensor] | None:
    """What made the prediction, and the right answers in its shape; None where it is a probability already."""
    target, prediction = each.target, each.prediction
    if each.kind != "own" or target is None or plain_name(each.criterion.operation) not in ("*", "mul", "einsum"):
        return None
    if target.shape != prediction.shape or prediction.numel() < 8 or not prediction.is_floating_point():
        return None
    values = torch.unique(target.double())
    if len(values) != 2 or values.tolist() != [0.0, 1.0]:
        return None
    names = {plain_name(operation) for operation in changes(each.batch, each.criterion.prediction)}
    if names & (SQUASHERS | SOFTMAX | {"exp", "clamp"}) or bool(((prediction >= 0) & (prediction <= 1)).all()):
        return None
    made = each.batch.made_by(each.criterion.prediction)
    if made is None or len(made.results) != 1 or made.changed:
        return None
    return made, target.to(prediction.dtype)


def _from_right(case: Case, batch: int, operation: Operation, perfect: Tensor) -> tuple[float, float, Tensor]:
    """The loss of right answers, the lowest one on the way down from them, and the answers there."""
    answers = perfect.clone().requires_grad_()
    instead: Action = lambda *_, **__: answers  # noqa: E731
    start = case.rehearsal.start()
    right = lowest = math.inf
    best = perfect
    for step in range(STEPS + 1):
        with torch.enable_grad():
            loss = case.rehearsal.loss(batch, start, actions={operation.index: instead}).sum()
            slope = torch.autograd.grad(loss, answers)[0]
        value = float(loss.detach())
        right = value if step == 0 else right
        if value < lowest:
            lowest, best = value, answers.detach().clone()
        with torch.no_grad():
            answers -= RATE * slope.sign()
    return right, lowest, best
