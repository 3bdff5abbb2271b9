"""What came of it: over- and underfitting told apart, as far as losses and evaluations tell."""

from __future__ import annotations

import math
from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning._loop import number
from chainrule.diagnosis.doctor.checks.learning._trials import trials
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

STEPS = 60
"""Steps on one batch, in which a network that can learn at all comes far down."""


@check("one-batch-is-not-learned", "underfits", experiment=True)
def one_batch(case: Case) -> Iterator[Finding]:
    """Whether one batch is learned by heart; if not, nothing that is about more data matters."""
    found = trials(case)
    if not found.possible or found.learned or not found.affordable(3) or not found.start > 0:
        return
    best, end = 1.0, math.inf
    for scale in (1.0, 10.0, 0.1):
        losses = found.rehearsal.train(
            found.pass_steps * found.passes_in(1.0, STEPS), batches=found.batches[:1], pace=found.pace(scale)
        )
        last = sum(losses[-3:]) / 3 if len(losses) >= 3 and all(map(math.isfinite, losses)) else math.inf
        best, end = (scale, last) if last < end else (best, end)
        if end < 0.5 * found.first[0]:
            break
    fell = (found.first[0] - end) / abs(found.first[0]) if found.first[0] and math.isfinite(end) else 0.0
    facts = (
        Fact("loss of one batch, at first and after it alone was learned", f"{number(found.first[0])}, {number(end)}"),
        Fact("loss at the end of the whole training", number(found.whole)),
    )
    if fell < 0.02:
        yield Finding(
            "one-batch-is-not-learned",
            "Not even one batch is learned by heart.",
            "warning",
            0.5,
            facts,
            "Look at the loss, the targets and the way from input to output, before any option.",
            tried=Tried("one batch again and again", number(found.first[0]), number(end), False),
        )
    elif found.whole > 0.5 * found.start and end < 0.3 * found.first[0]:
        yield Finding(
            "underfits",
            "The training loss stays high, though one batch is learned by heart.",
            "note",
            0.4,
            facts,
            "A larger network, a longer training, less regularization; or look at the data.",
        )
