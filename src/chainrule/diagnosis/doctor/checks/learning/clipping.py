"""Gradients that are clipped to next to nothing, or at the wrong moment."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Clipped
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_NOTHING
from chainrule.diagnosis.doctor.checks.learning._loop import MOST, cycles, number, share
from chainrule.diagnosis.doctor.checks.learning._trials import trials
from chainrule.diagnosis.doctor.checks.learning.gradients import LEAST
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

FAR = 0.05
"""Share of the usual norm that a limit must be below to be asked about; clipping nearly every step to a half works."""


@check("clipped-to-nothing", experiment=True)
def clipped_to_nothing(case: Case) -> Iterator[Finding]:
    """A limit far below the norms that come, without a rate that makes up for it."""
    clips: list[Clipped] = case.seen.of(Clipped)
    if len(clips) < LEAST:
        return
    norm, limit = median(clip.norm for clip in clips[: len(clips) // 2 + 1]), clips[0].limit
    facts = (
        Fact("limit", number(limit)),
        Fact("largest element" if clips[0].by_value else "norm before clipping", f"{number(norm)} (median)"),
        Fact("steps that were clipped", f"{share([clip.norm > clip.limit for clip in clips]):.0%}"),
    )
    place, found = case.place(clips[0].line), trials(case)
    if limit <= 0.0:
        yield Finding(
            "clipped-to-nothing",
            "Gradients are clipped to zero.",
            "fault",
            0.97,
            facts,
            f"A limit near {number(norm)}.",
            place,
            explains=LEARNS_NOTHING,
        )
        return
    if limit > FAR * norm or not found.possible or found.learned or not found.faithful:
        return
    used = found.run(passes=found.passes)
    freed = (found.run(clip=False, scale=scale, passes=found.passes) for scale in (1.0, 0.1))
    best = max(freed, key=lambda run: run.drop)
    if not found.beats_all(best) or best.drop < 2 * max(used.drop, 0.0):
        return
    yield Finding(
        "clipped-to-nothing",
        f"Gradients are clipped to {number(limit)}, {number(norm / limit)} times below their usual norm.",
        "fault",
        0.95,
        facts,
        f"A limit near the usual norm, {number(norm)}.",
        place,
        Tried("no clipping", found.words(used.end, best.steps), found.words(best.end, best.steps), True),
        LEARNS_NOTHING,
    )


@check("clipping-without-effect")
def clipping_without_effect(case: Case) -> Iterator[Finding]:
    """Clipping after the step, or before the gradients are there."""
    seen = cycles(case)[1:]
    clipped = [c for c in seen if any(isinstance(e, Clipped) for e in c.events) and c.backwards]
    if len(clipped) < LEAST or len(clipped) < MOST * len(seen):
        return
    blind = [e for c in clipped for e in c.events if isinstance(e, Clipped) and e.norm == 0.0 and c.norm > 0.0]
    if len(blind) >= MOST * len(clipped):
        yield _blind(case, blind)
        return
    late = [not any(isinstance(e, Clipped) for e in cycle.since_backward()) for cycle in clipped]
    if share(late) < MOST or any(len(c.backwards) > 1 for c in clipped) or not case.seen.of(Backward):
        return
    yield Finding(
        "clipping-without-effect",
        "Gradients are clipped when no step follows: after it, or before backward.",
        "warning",
        0.7,
        (Fact("steps with clipping between backward and step", f"{1 - share(late):.0%} (usual: all)"),),
        "`clip_grad_norm_` between `loss.backward()` and `optimizer.step()`.",
        case.place(case.seen.of(Clipped)[0].line),
        explains=("loss-diverges",),
    )


def _blind(case: Case, clips: list[Clipped]) -> Finding:
    """Clipping that is given no gradients: an iterator that is used up, weights of another network."""
    return Finding(
        "clipping-without-effect",
        "What is clipped has no gradients: the weights of another network, or an iterator that is used up.",
        "fault",
        0.9,
        (Fact("norm of what was clipped", "0 each time, though the steps have gradients"),),
        "clip_grad_norm_(model.parameters(), limit): `parameters()` anew each time, of the network that learns.",
        case.place(clips[0].line),
        explains=("loss-diverges", "gradients-explode"),
    )
