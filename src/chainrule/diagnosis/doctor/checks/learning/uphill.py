"""Steps along the gradient instead of against it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import BURST, LEARNS_BADLY, LEARNS_NOTHING
from chainrule.diagnosis.doctor.checks.learning._loop import number
from chainrule.diagnosis.doctor.findings import Fact, Finding

EXPLAINED = 0.5
"""Share of the changes by hand that the rule must explain."""
FELL = 0.8
"""Share of the first loss below which training losses have fallen, whichever way the steps went."""


@check("steps-uphill")
def steps_uphill(case: Case) -> Iterator[Finding]:
    """`maximize=True`, or a plus where steps are taken by hand, with a loss that is to be small."""
    losses = [loss for loss in case.losses if math.isfinite(loss)]
    known = any(batch.criterion is not None and batch.criterion.kind != "own" for batch in case.batches)
    if not losses or not known or losses[-1] < FELL * losses[0]:
        return
    maximizing = any(group.get("maximize") for o in case.optimizers for group in o.param_groups)
    hand = case.rehearsal.by_hand
    plus = not case.moves and hand is not None and hand.rate < 0.0 and hand.fit >= EXPLAINED
    if not maximizing and not plus:
        return
    yield Finding(
        "steps-uphill",
        "Each step goes along the gradient, not against it: the loss is made as large as can be.",
        "fault",
        0.96,
        (
            Fact("direction", "maximize=True" if maximizing else f"weights + {number(-hand.rate if hand else 0)} grad"),
            Fact("loss at first and at last", f"{number(losses[0])}, {number(losses[-1])}"),
        ),
        "No `maximize=True`." if maximizing else "`weight -= rate * weight.grad`.",
        case.place(case.optimizer_line if maximizing else case.seen.recorded[0].line),
        explains=tuple(dict.fromkeys((*BURST, *LEARNS_BADLY, *LEARNS_NOTHING, "loss-with-wrong-sign", "dead-units"))),
    )
