"""Losses that are multiplied for the sake of small numbers, and gradients that should be divided again, in order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

import torch

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._events import Clipped
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_BADLY, LEARNS_NOTHING
from chainrule.diagnosis.doctor.checks.learning._loop import Cycle, cycles, number
from chainrule.diagnosis.doctor.checks.learning._trials import trials
from chainrule.diagnosis.doctor.checks.learning.gradients import LEAST
from chainrule.diagnosis.doctor.findings import Fact, Finding

SHRUNK = 0.2
"""Share of what clipping left that must at most arrive at the step: rounding takes nothing away."""
SCALE = 64.0
"""A factor from which on a loss is scaled for the sake of small numbers, and not weighed."""


@check("clipped-before-unscaling")
def clipped_before_unscaling(case: Case) -> Iterator[Finding]:
    """The norm that a clipping leaves, beside the norm that the step right after it has used."""
    found = [pair for cycle in cycles(case) if (pair := _left_and_used(cycle)) is not None]
    clipped = [(clip, left, used) for clip, left, used in found if clip.norm > clip.limit]
    if len(clipped) < LEAST or len(clipped) < 0.5 * len(found):
        return
    shares = sorted(used / left for _, left, used in clipped)
    middle = median(shares)
    if not 0.0 < middle < SHRUNK or shares[-len(shares) // 5] > SHRUNK:
        return
    clip = clipped[0][0]
    yield Finding(
        "clipped-before-unscaling",
        f"Gradients are clipped first and divided by {number(1 / middle)} afterwards: next to nothing is left of them.",
        "fault",
        0.96,
        (
            Fact("norm before clipping, and limit", f"{number(clip.norm)}, {number(clip.limit)}"),
            Fact("norm that the step used", f"{number(clipped[0][2])} (usual: the limit)"),
            Fact("steps that were clipped", f"{len(clipped)} of {len(found)}"),
        ),
        "Divide the gradients by the scale first (`scaler.unscale_(optimizer)`), then clip, then step.",
        case.place(clip.line),
        explains=(*LEARNS_NOTHING, "clipped-to-nothing", "initial-loss-off", "epsilon-too-large", "loss-diverges"),
    )


def _left_and_used(cycle: Cycle) -> tuple[Clipped, float, float] | None:
    """What one clipping left before a step, and what the step used."""
    clips = [event for event in cycle.since_backward() if isinstance(event, Clipped)]
    if len(clips) != 1 or len(cycle.moves) != 1 or clips[0].by_value or not math.isfinite(clips[0].norm):
        return None
    left = min(clips[0].norm, clips[0].limit)
    return (clips[0], left, cycle.moves[0].norm) if left > 0.0 and cycle.moves[0].norm > 0.0 else None


@check("loss-scale-not-undone", experiment=True)
def scale_not_undone(case: Case) -> Iterator[Finding]:
    """A loss with a large factor, whose gradients arrive at the step with it."""
    found = trials(case)
    if not found.possible or found.adapts or not case.batches or not case.moves:
        return
    batch, first = case.batches[0], cycles(case)[:1]
    factor = _factor(batch)
    if factor < SCALE or not first or len(first[0].backwards) != 1 or len(first[0].moves) != 1:
        return
    if any(isinstance(event, Clipped) for event in first[0].events):
        return
    gradients = case.rehearsal.gradients(0)
    norm = float(torch.stack([g.float().norm() for g in gradients.values()]).norm()) if gradients else 0.0
    used = first[0].moves[0].norm
    if not norm > 0.0 or not 0.3 < used / norm < 3.0:
        return
    less = found.run(scale=1 / factor)
    if less.end > found.base.end - 0.05 * abs(found.start):
        return
    yield Finding(
        "loss-scale-not-undone",
        f"The loss is multiplied by {factor:g}, and its gradients are never divided by it before the step.",
        "fault",
        0.95,
        (
            Fact("factor of the loss", f"{factor:g}"),
            Fact(
                "norm of the gradients of the first step, and the one that it used", f"{number(norm)}, {number(used)}"
            ),
        ),
        "Divide each gradient by the factor before the step (`scaler.step(optimizer)` does), or leave the factor.",
        case.place(batch.event.line),
        explains=(*LEARNS_BADLY, *LEARNS_NOTHING, "gradients-explode", "initial-loss-off", "loss-oscillates"),
    )


def _factor(batch: Batch) -> float:
    """The number that the loss was multiplied by last; 1 without one."""
    factor, value = 1.0, batch.loss
    while (made := batch.made_by(value)) is not None and len(made.inputs) == 1:
        numbers = [a for a in made.arguments if isinstance(a, (int, float)) and not isinstance(a, bool)]
        if made.function not in ("*", "mul") or len(numbers) != 1:
            break
        factor, value = factor * abs(float(numbers[0])), made.inputs[0]
    return factor
