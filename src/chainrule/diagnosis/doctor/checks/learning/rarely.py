"""One step for a whole epoch of batches."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning._loop import Cycle, cycles, number
from chainrule.diagnosis.doctor.checks.learning._trials import trials
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

CALLS = 6
"""Batches before a step from which on it is asked whether they are all that there are."""
MOST = 200
"""Steps above which a network may have learned all the same."""
ALL = 0.9
"""Share of all examples that a cycle must hold."""
LEFT = 0.4
"""Share of the first loss that must be left at the end."""


@check("one-step-an-epoch", experiment=True)
def one_step_an_epoch(case: Case) -> Iterator[Finding]:
    """The step stands after the loop over batches: gradients, or losses, of all of them are added up before it."""
    seen = [cycle for cycle in cycles(case) if cycle.moves]
    if not 2 <= len(seen) <= MOST or any(type(m.optimizer).__name__ == "LBFGS" for m in case.moves[:1]):
        return
    calls = median(len(cycle.forwards) for cycle in seen)
    rows = [each for cycle in seen if (each := _rows(cycle)) is not None]
    if calls < CALLS or not rows:
        return
    every = len(torch.unique(torch.cat(rows)))
    whole = [len(torch.unique(each)) >= ALL * every for each in rows]
    first, last = case.losses[0], case.losses[-1]
    if sum(whole) < 0.7 * len(seen) or not last >= LEFT * first > 0.0:
        return
    found = trials(case)
    added = any(len(cycle.backwards) > 1 for cycle in seen)
    tried = None
    if added and found.possible:
        losses = found.rehearsal.train(2 * len(found.batches), batches=found.batches)
        end = sum(losses[-3:]) / 3
        tried = Tried("a step after each batch", found.words(found.whole), found.words(end, len(losses)), end < last)
    yield Finding(
        "one-step-an-epoch",
        f"One step is taken for all {calls:.0f} batches of an epoch: the step stands after the loop over batches.",
        "fault",
        0.9 if tried is None or tried.helped else 0.6,
        (
            Fact("batches before each step", f"{calls:.0f} (usual: 1)"),
            Fact("steps in all", f"{len(case.moves)}"),
            Fact("loss at first and at last", f"{number(first)}, {number(last)}"),
        ),
        "Indent `zero_grad`, `backward` and `step`, so that they stand inside of the loop over batches.",
        case.place(case.moves[0].line),
        tried,
        ("too-few-steps", "stopped-too-early", "rate-too-low", "underfits", "accumulation-not-divided"),
    )


def _rows(cycle: Cycle) -> Tensor | None:
    found = [f.rows for f in cycle.forwards if f.rows is not None]
    return torch.cat(found) if found else None
