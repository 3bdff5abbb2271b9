"""Each check of a metric catches a metric that was broken for it; registered metrics pass them all."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from sklearn.metrics import accuracy_score
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.diagnosis import check_metric
from chainrule.metrics import METRICS, Accuracy


def failed(report: Any) -> set[str]:
    return {result.name for result in report.failed}


@dataclass
class Share:
    """The share of right answers, which mutants change."""

    right: float = 0
    count: float = 0

    @classmethod
    def of(cls, scores: Tensor, targets: Tensor) -> Share:
        found = Accuracy.of(scores, targets)
        return cls(found.right, found.count)

    def merge(self, other: Share) -> Share:
        return type(self)(self.right + other.right, self.count + other.count)

    def result(self) -> float:
        return self.right / self.count if self.count else math.nan


class MeanOfMeans(Share):
    def merge(self, other: Share) -> Share:
        shares = [part.result() for part in (self, other) if part.count]
        return type(self)(sum(shares) / len(shares), 1) if shares else type(self)()


class LastWord(Share):
    """Exact at first sight: what is merged second counts a little more."""

    def merge(self, other: Share) -> Share:
        return type(self)(self.right + other.right * (1 + 1e-6), self.count + other.count)


class FirstCounts(Share):
    @classmethod
    def of(cls, scores: Tensor, targets: Tensor) -> Share:
        found = super().of(scores, targets)
        first = bool(len(targets)) and int(targets[0]) == int(scores[0].argmax())
        return cls(found.right + (0.001 if first and len(targets) > 59 else 0), found.count)


class StartsAtOne(Share):
    def merge(self, other: Share) -> Share:
        extra = 1 if 0 in (self.count, other.count) else 0
        return type(self)(self.right + other.right, self.count + other.count + extra)


class NothingIsPerfect(Share):
    def result(self) -> float:
        return self.right / self.count if self.count else 1.0


class Percent(Share):
    def result(self) -> float:
        return 100 * super().result()


class NeverPerfect(Share):
    def result(self) -> float:
        return self.right / (self.count + 1e-3) if self.count else math.nan


class CreditForAll(Share):
    def result(self) -> float:
        return max(super().result(), 0.01) if self.count else math.nan


class FirstClassIsNone(Share):
    @classmethod
    def of(cls, scores: Tensor, targets: Tensor) -> Share:
        found = super().of(scores, targets)
        nothing = int(((targets == 0) & (scores.argmax(1) == 0)).sum()) if len(targets) else 0
        return cls(found.right - 0.5 * nothing, found.count - 0.5 * nothing)


class Threshold(Share):
    @classmethod
    def of(cls, scores: Tensor, targets: Tensor) -> Share:
        super().of(scores, targets)
        sure = scores.max(1).values > 0.3 if len(targets) else torch.zeros(0, dtype=torch.bool)
        return cls(int(((scores.argmax(1) == targets) & sure).sum()) if len(targets) else 0, len(targets))


class SecondIsEnough(Share):
    @classmethod
    def of(cls, scores: Tensor, targets: Tensor) -> Share:
        super().of(scores, targets)
        return cls(int((scores.topk(2).indices == targets[:, None]).any(1).sum()) if len(targets) else 0, len(targets))


class TakesAnything(Share):
    @classmethod
    def of(cls, scores: Tensor, targets: Tensor) -> Share:
        if targets.shape != scores.shape[:1]:
            raise DataError("scores and classes do not fit together")
        return cls(int((scores.argmax(1) == targets).sum()) if len(targets) else 0, len(targets))


class Broadcasts(Share):
    @classmethod
    def of(cls, scores: Tensor, targets: Tensor) -> Share:
        if targets.ndim == 2:
            return cls(float((scores.argmax(1) == targets).sum()), targets.numel() * len(scores))
        return super().of(scores, targets)


class AddsToItself(Share):
    def merge(self, other: Share) -> Share:
        if self.count == 20:
            self.right, self.count = self.right + other.right, self.count + other.count
            return self
        return super().merge(other)


def reference(scores: Tensor, targets: Tensor) -> float:
    return float(accuracy_score(targets.numpy(), scores.numpy().argmax(1)))


MUTANTS: list[tuple[type[Share], set[str]]] = [
    (Share, set()),
    (MeanOfMeans, {"merged_parts", "merge_groups"}),
    (LastWord, {"merge_order", "merged_parts", "merge_groups", "nothing_merged"}),
    (FirstCounts, {"example_order", "perfect", "reference"}),
    (StartsAtOne, {"nothing_merged"}),
    (NothingIsPerfect, {"nothing"}),
    (Percent, {"bounds", "perfect", "reference"}),
    (NeverPerfect, {"perfect", "reference"}),
    (CreditForAll, {"all_wrong"}),
    (FirstClassIsNone, {"class_order", "reference"}),
    (Threshold, {"ranks", "reference"}),
    (SecondIsEnough, {"reference"}),
    (TakesAnything, {"odd_values"}),
    (Broadcasts, {"misfits"}),
    (AddsToItself, {"pure"}),
]


@pytest.mark.parametrize(("mutant", "caught"), MUTANTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_metric_is_caught(own_checks: None, mutant: type[Share], caught: set[str]) -> None:
    report = check_metric(mutant.of, reference=reference)
    assert failed(report) == caught, str(report)


def test_mutants_cover_every_check(own_checks: None) -> None:
    report = check_metric("accuracy")
    assert len(report) == 15
    assert {result.name for result in report} == {name for _, caught in MUTANTS for name in caught}


@pytest.mark.parametrize(
    ("name", "options", "passed"),
    [
        ("accuracy", {}, 15),
        ("confusion", {}, 15),
        ("topk", {"k": 1}, 15),
        ("topk", {"k": 3}, 15),
        ("mean", {}, 12),
        ("mistakes", {"count": 4}, 14),
        ("mistakes", {"by": "probability"}, 14),
    ],
)
def test_registered_metrics(own_checks: None, name: str, options: dict[str, Any], passed: int) -> None:
    report = check_metric(name, options=options)
    assert report.good, str(report)
    assert report.counts["passed"] == passed
    assert {result.verdict for result in report} <= {"passed", "does not apply"}


def test_every_registered_metric_is_known(own_checks: None) -> None:
    """A metric that is added later is checked as a share unless it says otherwise."""
    for name in METRICS:
        assert check_metric(name).good, name


def test_exceptions_have_reasons(own_checks: None) -> None:
    metric: Callable[[Tensor, Tensor], Any] = CreditForAll.of
    assert check_metric(metric, exceptions={"all_wrong": "smoothed on purpose"}).counts["excepted"] == 1
    with pytest.raises(UsageError, match="needs a reason"):
        check_metric(metric, exceptions={"all_wrong": " "})
    with pytest.raises(UsageError, match='did you mean "all_wrong"'):
        check_metric(metric, exceptions={"all_wron": "smoothed"})
