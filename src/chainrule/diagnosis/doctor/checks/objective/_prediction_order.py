"""Predictions that are compared with the truth of other examples: the order of the one is not that of the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Evaluated, Measured, Moved
from chainrule.diagnosis.doctor._passes import CALLS
from chainrule.diagnosis.doctor._rows import example_numbers
from chainrule.diagnosis.doctor._stored import arrays_of
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.objective._answers import Answer
from chainrule.diagnosis.doctor.findings import Fact, Finding

FEWEST = 24
"""Examples from which on one order is no other's by chance."""
BETTER = 0.1
"""By how much more predictions must be right with the truth of their own examples."""


@dataclass(frozen=True)
class Judged:
    """One evaluation of all held-out examples.

    Args:
        rows: A number for each example, in the order in which the network was asked.
        truth: What it was compared with, as it stood.
        predicted: What was compared, where it was seen.
        where: The line of the comparison.
    """

    rows: Tensor
    truth: Tensor
    predicted: Tensor | None
    where: str


@check("predictions-in-another-order")
def predictions_in_another_order(case: Case) -> Iterator[Finding]:
    """The order in which examples were asked, from evaluation to evaluation, beside that of the truth."""
    found = [each for passed in case.evaluations if (each := _judged(case, passed)) is not None]
    for each in found:
        own = _own_truth(case, each)
        if own is None or each.predicted is None or own.shape != each.truth.shape or torch.equal(own, each.truth):
            continue
        now, then = (float((each.predicted == truth).double().mean()) for truth in (each.truth, own))
        if each.truth.is_floating_point() or then < now + BETTER:
            continue
        facts = (
            Fact("right, as it is compared", f"{now:.1%}"),
            Fact("right, beside the truth of the same examples", f"{then:.1%}"),
        )
        yield _finding(each.where, facts)
        return
    if len(found) < 2:
        return
    one, other = found[0], found[-1]
    same = one.truth.shape == other.truth.shape and torch.equal(one.truth, other.truth)
    moved = len(one.rows) == len(other.rows) and not torch.equal(one.rows, other.rows)
    if not same or not moved or not torch.equal(one.rows.sort().values, other.rows.sort().values):
        return
    changed = float((one.rows != other.rows).double().mean())
    facts = (
        Fact("examples that stand elsewhere in the last evaluation than in the first", f"{changed:.0%}"),
        Fact("truth that stands elsewhere", "none"),
    )
    yield _finding(other.where, facts)


def _finding(where: str, facts: tuple[Fact, ...]) -> Finding:
    return Finding(
        "predictions-in-another-order",
        "Predictions are compared with the truth of other examples: they come in another order.",
        "fault",
        0.96,
        facts,
        "Collect the labels in the same loop as the predictions, or evaluate with shuffle=False; undo a sorting.",
        where,
        explains=("overfits", "labels-unrelated", "labels-partly-wrong", "validation-prepared-differently",
                  "labels-numbered-differently", "answers-under-other-names", "rare-class-neglected"),
    )  # fmt: skip


def _judged(case: Case, passed: list[Evaluated]) -> Judged | None:
    """A pass whose predictions were collected, and compared all at once."""
    rows = [e.forward.rows for e in passed]
    if len(passed) >= CALLS or any(r is None for r in rows):
        return None
    every = torch.cat([r for r in rows if r is not None])
    if len(every) < FEWEST or len(every.unique()) < 0.9 * len(every):
        return None
    for meeting in Answer(passed[-1]).meetings:
        alone = len(passed) > 1 and len(meeting.truth) == len(rows[-1])  # type: ignore[arg-type]
        if meeting.truth.ndim == 1 and len(meeting.truth) == len(every) and not alone and _varies(meeting.truth):
            where = case.place(passed[-1].lines.get(meeting.operation.index))
            same = meeting.predicted.shape == meeting.truth.shape
            return Judged(every, meeting.truth, meeting.predicted if same else None, where)
    end = passed[-1].forward.at
    until = next((m.at for m in case.seen.of(Moved) if m.at > end), float("inf"))
    for measured in case.seen.of(Measured):
        truth = measured.truth
        if end <= measured.at < until and truth is not None and truth.shape == (len(every),):
            made = torch.from_numpy(truth)
            guess = measured.predicted
            alike = guess is not None and guess.shape == truth.shape
            if _varies(made):
                return Judged(every, made, torch.from_numpy(guess) if alike else None, case.place(measured.line))
    return None


def _varies(truth: Tensor) -> bool:
    return len(torch.unique(truth)) > 1


def _own_truth(case: Case, judged: Judged) -> Tensor | None:
    """The labels of the very examples that were asked, looked up in the arrays of the data set that they came from."""
    for each in case.seen.loaders:
        dataset = getattr(each.get("loader"), "dataset", None)
        if dataset is None or each.get("size") != len(judged.rows):
            continue
        labels = _looked_up(dataset, judged.rows)
        if labels is not None:
            return labels.to(judged.truth.dtype)
    return None


def _looked_up(dataset: Any, rows: Tensor) -> Tensor | None:
    """The label of each of these examples, where a data set keeps examples and labels as they are given out."""
    arrays = [torch.as_tensor(array) for _, array in arrays_of(dataset) if len(array.shape)]
    labels = [t for t in arrays if t.ndim == 1 and len(t) >= len(rows)]
    for inputs in (t for t in arrays if t.ndim > 1):
        beside = [t for t in labels if len(t) == len(inputs)]
        numbers = example_numbers([inputs])
        if len(beside) != 1 or numbers is None or len(numbers) != len(inputs):
            continue
        order = numbers.argsort()
        places = order[torch.searchsorted(numbers[order], rows).clamp_max(len(order) - 1)]
        once = len(numbers.unique()) == len(numbers)
        if once and torch.equal(numbers[places], rows):
            return beside[0][places]
    return None
