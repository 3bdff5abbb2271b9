"""Metrics that count what is absent anyway: most labels of an example, the ground of a picture."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.objective._answers import Meeting, passes, printed_after, said
from chainrule.diagnosis.doctor.checks.objective._comparisons import plain_name
from chainrule.diagnosis.doctor.checks.objective._metric_slips import masked
from chainrule.diagnosis.doctor.findings import Fact, Finding

ABSENT = 0.65
"""Share of labels that are absent, from which being right about them says little."""
GROUND = 0.85
"""Share of the commonest class of a dense map: the same."""
LOWER = 0.08
"""How far the mean F1 of what is there lies below the share of right entries, from which that share flatters."""
EXAMPLES = 30
"""Examples that are needed."""


@check("absent-labels-flatter")
def absent_flatter(case: Case) -> Iterator[Finding]:
    """Compute the mean F1 from the same predictions, where a share of right entries is what is printed."""
    for answers in reversed([*passes(case)]):
        met = [
            m
            for answer in answers
            for m in answer.meetings
            if plain_name(m.operation) == "eq"
            and m.predicted.shape == m.truth.shape
            and m.truth.ndim >= 2
            and not masked(answer, m.operation.results[0])
        ]
        met = [m for m in met if m.where(case) == met[0].where(case) and m.truth.shape[1:] == met[0].truth.shape[1:]]
        if not met or sum(len(m.truth) for m in met) < EXAMPLES:
            continue
        numbers = printed_after(case, answers)
        predicted, truth = (torch.cat([t.double() for t in tensors]) for tensors in _sides(met))
        right = float((predicted == truth).double().mean())
        kinds = truth.unique()
        if not said(numbers, right) or len(kinds) < 2 or len(kinds) > 300 or bool((kinds != kinds.round()).any()):
            continue
        several = truth.ndim == 2 and truth.shape[1] >= 3 and set(kinds.tolist()) == {0.0, 1.0}
        if several and bool((truth.sum(1) == 1).all()):
            return  # one class each: counted by another check
        common = float((truth == truth.flatten().mode().values).double().mean()) if not several else 0.0
        absent = float((truth == 0).double().mean()) if several else common
        f1 = _f1(predicted, truth, several)
        shown = any(said(numbers, value) for value in (f1, _f1(predicted.reshape(-1, 1), truth.reshape(-1, 1), True)))
        if absent < (ABSENT if several else GROUND) or right - f1 < LOWER or shown:
            return
        yield _found(met[0].where(case), right, absent, f1, several)
        return


def _sides(met: list[Meeting]) -> tuple[list[Tensor], list[Tensor]]:
    return [m.predicted for m in met], [m.truth for m in met]


def _f1(predicted: Tensor, truth: Tensor, several: bool) -> float:
    """The mean F1: of the labels of each column, or of each class of a map but the commonest."""
    if several:
        pairs = [(predicted[:, i] == 1, truth[:, i] == 1) for i in range(truth.shape[1])]
    else:
        kinds, counts = truth.unique(return_counts=True)
        pairs = [(predicted == k, truth == k) for k in kinds[counts < counts.max()]]
    found = [2 * float((p & t).sum()) / max(1.0, float(p.sum() + t.sum())) for p, t in pairs if bool(t.any())]
    return sum(found) / len(found) if found else 1.0


def _found(where: str, right: float, absent: float, f1: float, several: bool) -> Finding:
    what = "labels" if several else "places"
    return Finding(
        "absent-labels-flatter",
        f"All {what} are counted, most of which are "
        + ("absent anyway and easy to be right about." if several else "ground, and easy to be right about."),
        "warning",
        0.8,
        (
            Fact(f"{what} that are right (as printed)", f"{right:.1%}"),
            Fact("right without predicting anything", f"{absent:.1%}"),
            Fact("mean F1 of what is there", f"{f1:.1%}"),
        ),
        "F1, or precision and recall, of the labels that are there: f1_score(truth, predicted, average='macro')."
        if several
        else "The mean intersection over union of the classes.",
        where,
        explains=("classes-uneven",),
    )
