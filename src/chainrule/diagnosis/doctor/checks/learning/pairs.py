"""Things that belong together and do not: two optimizers of one weight, a schedule of an optimizer that never steps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Moved, Scheduled, owned_by
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning.schedules import EXPLAINED, FEW, stepped_times
from chainrule.diagnosis.doctor.findings import Fact, Finding

TURNS = 8
"""Changes from one optimizer to another from which on they take turns, and do not follow each other once."""


@check("weights-in-two-optimizers")
def two_optimizers(case: Case) -> Iterator[Finding]:
    """Optimizers that take turns, both of which hold, and move, the same weights.

    Where each has weights of its own beside (two heads on one trunk) this may be meant.
    """
    steps: dict[int, list[Moved]] = {}
    for moved in case.moves:
        steps.setdefault(id(moved.optimizer), []).append(moved)
    for one, other in combinations(list(steps.values())[:6], 2):
        mine, theirs = ({id(p): p for p in owned_by(each[0].optimizer)} for each in (one, other))
        both = mine.keys() & theirs.keys() & case.seen.reached
        order = [id(m.optimizer) for m in case.moves if m.optimizer in (one[0].optimizer, other[0].optimizer)]
        turns = sum(a != b for a, b in pairwise(order))
        if not both or turns < TURNS or not one[0].norm or not other[0].norm:
            continue
        if len(both) == len(mine) == len(theirs):
            continue  # two ways to move all of them, such as a hybrid of two methods
        nested = len(both) in (len(mine), len(theirs))  # the one has nothing that the other does not move as well
        elements = sum(mine[key].numel() for key in both)
        yield Finding(
            "weights-in-two-optimizers",
            "Two optimizers that take turns hold the same weights: "
            + (
                "the one moves all that the other is to learn."
                if nested
                else "each moves a part of what the other does."
            ),
            "warning" if nested else "note",
            0.7,
            (
                Fact("weights that both hold", f"{len(both)} tensors, {elements:,} numbers"),
                Fact("of the one's and the other's tensors", f"{len(mine)}, {len(theirs)}"),
                Fact("times that one follows the other", str(turns)),
            ),
            "Give each optimizer the parameters of its own network or part only.",
            case.place(case.optimizer_line),
            explains=("loss-oscillates", "rate-too-high"),
        )
        return


@check("schedule-of-another-optimizer")
def schedule_of_another(case: Case) -> Iterator[Finding]:
    """A schedule that is stepped, whose optimizer takes no step while another one does."""
    made: list[Scheduled] = case.seen.of(Scheduled)
    moved = {id(m.optimizer): m.optimizer for m in case.moves}
    for each in made:
        optimizer = getattr(each.scheduler, "optimizer", None)
        if optimizer is None or id(optimizer) in moved or len(case.moves) < FEW or stepped_times(each.scheduler) < 2:
            continue
        weights = {id(p) for p in owned_by(optimizer)}
        others = [o for o in moved.values() if weights & {id(p) for p in owned_by(o)}]
        if not others or any(getattr(m.scheduler, "optimizer", None) is o for m in made for o in others):
            continue
        yield Finding(
            "schedule-of-another-optimizer",
            "The schedule moves the rate of an optimizer that takes no step; the one that does keeps its own.",
            "fault",
            0.94,
            (
                Fact("steps of the schedule", str(stepped_times(each.scheduler))),
                Fact("steps of its optimizer, and of the other", f"0, {len(case.moves)}"),
                Fact(
                    "rate of the other at first and at last", f"{case.moves[0].rates[0]:g}, {case.moves[-1].rates[0]:g}"
                ),
            ),
            "Make the schedule after the optimizer that is used, and from it.",
            case.place(each.line),
            explains=EXPLAINED,
        )
        return
