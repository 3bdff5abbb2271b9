"""Tallies: any grouping and order gives the same bits; figures agree with other ways to them; wrong input is told."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, top_k_accuracy_score

from chainrule.core.errors import DataError, NonFiniteError, UsageError
from chainrule.metrics import METRICS, Accuracy, Confusion, Mean, Mistakes, TopK, shares_right
from chainrule.metrics._exact import as_float, exact_sum

SETTINGS = settings(deadline=None, max_examples=60, derandomize=True)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=64)


@SETTINGS
@given(st.lists(FLOATS, max_size=40))
def test_sums_are_exact_in_any_order(values: list[float]) -> None:
    array = np.array(values, dtype=np.float64)
    total = sum((Fraction(value) for value in values), Fraction(0))
    assert exact_sum(array) == exact_sum(array[::-1]) == total * 2**1200
    try:
        wanted = math.fsum(values)
    except OverflowError:
        wanted = math.inf if total > 0 else -math.inf
    assert as_float(exact_sum(array)) == wanted


def test_sums_of_the_smallest_and_largest_numbers() -> None:
    tiny, huge = 5e-324, 1.7976931348623157e308
    assert as_float(exact_sum(np.array([tiny] * 3))) == 3 * tiny
    assert as_float(exact_sum(np.array([huge, tiny, -huge]))) == tiny
    assert as_float(exact_sum(np.array([]))) == 0.0


def batch(seed: int, n: int = 90, k: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(n, k, generator=generator).mul(2).round().div(2)  # with ties
    targets = torch.randint(0, k - 1, (n,), generator=generator)  # the last class does not occur
    losses = torch.nn.functional.cross_entropy(scores, targets, reduction="none")
    return scores, targets, torch.randperm(n, generator=generator), losses


def make(kind: str, rows: torch.Tensor, data: tuple[torch.Tensor, ...]) -> Any:
    scores, targets, index, losses = (part[rows] for part in data)
    return {
        "mean": lambda: Mean.of(losses * 1e3 + 1e-7),
        "accuracy": lambda: Accuracy.of(scores, targets),
        "topk": lambda: TopK.of(scores, targets, k=2),
        "confusion": lambda: Confusion.of(scores, targets, classes=4),
        "mistakes": lambda: Mistakes.of(scores, targets, index, losses, count=7),
        "by probability": lambda: Mistakes.of(scores, targets, index, losses, count=7, by="probability"),
    }[kind]()


def said(tally: Any) -> Any:
    if isinstance(tally, Mistakes):
        return tally.records(), tally.wrong
    return tally.matrix.tolist() if isinstance(tally, Confusion) else tally.result()


@SETTINGS
@given(st.integers(0, 10**6), st.lists(st.integers(0, 90), max_size=5), st.randoms(use_true_random=False))
@pytest.mark.parametrize("kind", ["mean", "accuracy", "topk", "confusion", "mistakes", "by probability"])
def test_grouping_and_order_do_not_show(kind: str, seed: int, cuts: list[int], random: Any) -> None:
    data = batch(seed % 7)
    whole = make(kind, torch.arange(90), data)
    order = list(range(90))
    random.shuffle(order)
    ends = [0, *sorted(cuts), 90]
    tallies = [make(kind, torch.tensor(order[a:b], dtype=torch.long), data) for a, b in itertools.pairwise(ends)]
    random.shuffle(tallies)
    merged = tallies[0]
    for other in tallies[1:]:
        merged = merged.merge(other)
    assert said(merged) == said(whole)


def test_every_metric_is_covered() -> None:
    assert set(METRICS.names()) == {"mean", "accuracy", "topk", "calibration", "confusion", "mistakes"}


def test_means_are_weighted_and_tell_what_is_not_finite() -> None:
    values, weights = torch.tensor([1.0, 5.0, float("nan")]), torch.tensor([3.0, 1.0, 0.0])
    assert Mean.of(values, weights).result() == 2.0
    assert math.isnan(Mean.of(values).result())
    assert Mean.of(torch.tensor([1.0, float("inf")])).result() == math.inf
    assert math.isnan(Mean.of(torch.tensor([float("inf")])).merge(Mean.of(torch.tensor([-float("inf")]))).result())
    assert math.isnan(Mean().result())
    for bad in (torch.tensor([1.0, -1.0, 1.0]), torch.tensor([1.0, float("nan"), 1.0])):
        with pytest.raises(UsageError, match="weights count examples"):
            Mean.of(values, bad)
    with pytest.raises(UsageError, match="each value has a weight"):
        Mean.of(values, torch.ones(2))


def test_confusion_agrees_with_scikit_learn() -> None:
    scores, targets, _, _ = batch(3)
    found = Confusion.of(scores, targets, classes=4)
    predicted = scores.argmax(1)
    np.testing.assert_array_equal(found.matrix.numpy(), confusion_matrix(targets, predicted, labels=range(4)))
    wanted = precision_recall_fscore_support(targets, predicted, labels=range(4), zero_division=0.0)
    rows = found.per_class()
    assert rows[3]["count"] == 0  # a class that does not occur
    for name, column in zip(("precision", "recall", "f1", "count"), wanted):
        assert [row[name] for row in rows] == pytest.approx(column.tolist())


def test_top_k_agrees_with_scikit_learn_without_ties_and_takes_the_first_with_them() -> None:
    generator = torch.Generator().manual_seed(0)
    scores, targets = torch.randn(200, 6, generator=generator), torch.randint(0, 6, (200,), generator=generator)
    for k in range(1, 6):
        wanted = top_k_accuracy_score(targets, scores.numpy(), k=k, labels=range(6))
        assert TopK.of(scores, targets, k=k).result() == pytest.approx(wanted)
    assert TopK.of(scores, targets, k=6).result() == 1.0
    assert TopK.of(scores, targets, k=99).result() == 1.0
    assert TopK.of(scores, targets, k=1).result() == Accuracy.of(scores, targets).result()
    level = torch.zeros(3, 4)
    assert [TopK.of(level, torch.tensor([0, 1, 3]), k=k).right for k in (1, 2, 3, 4)] == [1, 2, 2, 3]
    with pytest.raises(UsageError, match="only tallies of the same k"):
        TopK(k=1).merge(TopK(k=2))
    with pytest.raises(UsageError, match="at least 1"):
        TopK.of(scores, targets, k=0)


@pytest.mark.parametrize("classes", [2, 20, 21, 1000])
def test_the_five_highest_count_where_there_are_many_classes(classes: int) -> None:
    generator = torch.Generator().manual_seed(classes)
    scores = torch.randn(60, classes, generator=generator)
    targets = torch.randint(0, classes, (60,), generator=generator)
    found = shares_right(scores, targets)
    assert found["accuracy"] == Accuracy.of(scores, targets)
    assert set(found) == ({"accuracy", "top5"} if classes > 20 else {"accuracy"})
    if classes > 20:
        best = scores.argsort(1, descending=True)[:, :5]
        assert found["top5"].result() == sum(int(t in row) for t, row in zip(targets.tolist(), best.tolist())) / 60


def test_mistakes_are_the_worst() -> None:
    scores, targets, index, losses = batch(5)
    found = Mistakes.of(scores, targets, index, losses, count=5).records()
    wrong = [(-float(losses[i]), int(index[i])) for i in range(90) if int(scores[i].argmax()) != int(targets[i])]
    assert [(-record["loss"], record["index"]) for record in found] == [
        (pytest.approx(a), b) for a, b in sorted(wrong)[:5]
    ]
    for record in found:
        row = int((index == record["index"]).nonzero())
        assert record["truth"] == int(targets[row])
        assert record["predicted"] == int(scores[row].argmax())
        assert record["probability"] == pytest.approx(float(torch.softmax(scores[row].double(), 0).max()))
    assert Mistakes.of(scores, targets, index, losses, count=5).result() == len(wrong)


@pytest.mark.usefixtures("own_checks")
@pytest.mark.parametrize("kind", [Accuracy.of, TopK.of, lambda s, t: Confusion.of(s, t, classes=3)])
def test_what_cannot_be_counted(kind: Any) -> None:
    right = torch.tensor([0, 1])
    with pytest.raises(UsageError, match="fit together"):
        kind(torch.zeros(2, 3), torch.tensor([0]))
    with pytest.raises(UsageError, match="fit together"):
        kind(torch.zeros(2, 3), torch.tensor([0.0, 1.0]))
    for wrong in (3, -1):
        with pytest.raises(DataError, match=f"out of range: expected 0 to 2, got {wrong}"):
            kind(torch.zeros(2, 3), torch.tensor([0, wrong]))
    with pytest.raises(NonFiniteError, match="example 1 of 2"):
        kind(torch.tensor([[0.0, 1.0, 2.0], [0.0, float("nan"), 1.0]]), right)
    empty = kind(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
    assert math.isnan(empty.result()) or isinstance(empty, Confusion)
    assert kind(torch.tensor([[float("inf"), 0.0, -float("inf")]] * 2), right) is not None
