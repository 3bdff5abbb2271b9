"""Sums without rounding, means over weights, ties, doubles, types: against fractions, scikit-learn and sorted lists."""

from __future__ import annotations

import copy
import math
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from chainrule.core.errors import DataError, NonFiniteError, UsageError
from chainrule.metrics import Accuracy, Confusion, Mean, Mistakes, TopK
from chainrule.metrics._exact import as_float, exact_sum, ratio

SETTINGS = settings(deadline=None, max_examples=80, derandomize=True)
INF, NAN = math.inf, math.nan
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("value", [2.0 - 2.0**-52, -(2.0 - 2.0**-52), 5e-324, -5e-324, 1.7976931348623157e308, 1.0])
def test_many_numbers_of_one_size_do_not_overflow(value: float) -> None:
    assert exact_sum(np.full(70_001, value)) == 70_001 * Fraction(value) * 2**1200


def test_rounding_once() -> None:
    assert as_float(exact_sum(np.array([1.0, 2.0**-53, 2.0**-200]))) == 1.0 + 2.0**-52  # just above half a step
    assert as_float(exact_sum(np.array([1.0, 2.0**-53]))) == 1.0  # half a step: to even
    assert ratio(2**1200, 3 * 2**1200) == 1 / 3
    assert ratio(2**5000, 1) == INF
    assert ratio(-(2**5000), 1) == -INF
    assert ratio(1, 2**5000) == 0.0


@SETTINGS
@given(st.lists(st.tuples(FLOATS, st.floats(0, 1e6)), max_size=30), st.integers(0, 30), st.randoms())
def test_weighted_means_round_once_whatever_the_grouping(pairs: Any, cut: int, random: Any) -> None:
    def tally(rows: Any) -> Mean:
        values, weights = (torch.tensor([row[i] for row in rows], dtype=torch.float64) for i in (0, 1))
        return Mean.of(values, weights)

    whole = tally(pairs)
    random.shuffle(pairs)
    merged = tally(pairs[:cut]).merge(tally(pairs[cut:]))
    assert merged == whole or math.isnan(merged.odd)
    products = [value * weight for value, weight in pairs if weight > 0]
    if not products:
        assert math.isnan(whole.result())
    elif all(map(math.isfinite, products)):
        wanted = sum(map(Fraction, products), Fraction(0)) / sum(Fraction(weight) for _, weight in pairs)
        try:
            assert whole.result() == float(wanted)
        except OverflowError:
            assert whole.result() == math.copysign(INF, wanted)
    else:
        odd = sum(product for product in products if not math.isfinite(product))
        assert whole.result() == odd or math.isnan(odd)


def test_what_a_mean_takes_and_leaves() -> None:
    values = torch.tensor([[1.0, 2.0], [3.0, 6.0]], requires_grad=True)
    assert Mean.of(values).result() == 3.0
    assert Mean.of(values.half().detach()).result() == 3.0
    assert Mean.of(torch.tensor([0.1] * 10)).result() == float(np.float32(0.1))
    assert Mean.of(torch.zeros(0)).weight == 0
    whole = Mean.of(values).merge(Mean.of(torch.zeros(0))).merge(Mean())
    assert whole == Mean.of(values)
    # an infinity wins over any number and NaN over all, also when they come in another group
    assert Mean.of(torch.tensor([INF])).merge(Mean.of(torch.tensor([-1e308], dtype=torch.float64))).result() == INF
    assert math.isnan(Mean.of(torch.tensor([INF])).merge(Mean.of(torch.tensor([NAN]))).result())
    assert math.isnan(Mean.of(torch.tensor([INF, -INF])).result())
    assert Mean.of(torch.tensor([2.0, INF]), torch.tensor([1.0, 0.0])).result() == 2.0
    assert Mean.of(torch.tensor([2.0, -INF]), torch.tensor([1.0, 0.5])).result() == -INF
    for odd, shown in ((-1.0, "-1.0"), (INF, "inf"), (NAN, "nan")):
        with pytest.raises(UsageError, match=f"finite and at least 0, got {shown}"):
            Mean.of(torch.ones(3), torch.tensor([0.0, 2.0, odd]))


TABLES = st.integers(1, 5).flatmap(
    lambda k: st.lists(
        st.tuples(st.lists(st.integers(-2, 2), min_size=k, max_size=k), st.integers(0, k - 1)), min_size=1, max_size=25
    )
)


def tensors(rows: list[tuple[list[int], int]]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([row[0] for row in rows], dtype=torch.float32), torch.tensor([row[1] for row in rows])


@SETTINGS
@given(TABLES)
def test_ties_count_by_the_order_of_the_classes(rows: list[tuple[list[int], int]]) -> None:
    scores, targets = tensors(rows)
    ranks = [sorted(range(len(values)), key=lambda j, v=values: -v[j]).index(right) for values, right in rows]  # stable
    for k in range(1, scores.shape[1] + 2):
        found = TopK.of(scores, targets, k=k)
        assert (found.right, found.count, found.k) == (sum(rank < k for rank in ranks), len(rows), k)
    found = Accuracy.of(scores, targets)
    assert (found.right, found.count) == (ranks.count(0), len(rows))
    assert found.result() == ranks.count(0) / len(rows)
    assert Confusion.of(scores, targets).result() == found.result()


@SETTINGS
@given(TABLES, st.integers(0, 25))
def test_confusion_agrees_with_scikit_learn_also_where_classes_are_absent(rows: Any, cut: int) -> None:
    scores, targets = tensors(rows)
    labels, predicted = list(range(scores.shape[1])), scores.numpy().argmax(1)
    parts = [Confusion.of(scores[part], targets[part]) for part in (slice(0, cut), slice(cut, None))]
    found = parts[0].merge(parts[1])
    assert found.matrix.dtype == torch.int64
    counted = np.zeros((len(labels), len(labels)))
    np.add.at(counted, (targets.numpy(), predicted), 1)
    np.testing.assert_array_equal(found.matrix.numpy(), counted)
    wanted = precision_recall_fscore_support(targets, predicted, labels=labels, zero_division=0.0)
    for name, column in zip(("precision", "recall", "f1", "count"), wanted):
        assert [row[name] for row in found.per_class()] == pytest.approx(column.tolist(), abs=1e-15)


def test_merging_needs_the_same_kind() -> None:
    two, three = (Confusion.of(torch.zeros(1, k), torch.tensor([0])) for k in (2, 3))
    before = two.matrix.clone()
    two.merge(two)
    assert torch.equal(two.matrix, before)
    with pytest.raises(UsageError, match="same classes merge: expected 2, got 3"):
        two.merge(three)
    with pytest.raises(UsageError, match="expected 4 scores an example, got 3"):
        Confusion.of(torch.zeros(1, 3), torch.tensor([0]), classes=4)
    with pytest.raises(UsageError, match="same k merge: expected k = 5, got 1"):
        TopK().merge(TopK(k=1))
    with pytest.raises(UsageError, match="one kind merge: expected 3 by loss, got 2 by loss"):
        Mistakes((), 3, 0).merge(Mistakes((), 2, 0))
    with pytest.raises(UsageError, match="expected 3 by loss, got 3 by probability"):
        Mistakes((), 3, 0).merge(Mistakes((), 3, 0, "probability"))


def test_tallies_of_nothing() -> None:
    scores, targets = torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)
    for tally in (Accuracy.of(scores, targets), TopK.of(scores, targets, k=2), Confusion.of(scores, targets)):
        assert math.isnan(tally.result())
    assert TopK.of(scores, targets, k=2).k == 2
    assert Confusion.of(scores, targets).per_class() == [{"count": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0}] * 3
    none = Mistakes.of(scores, targets, targets, torch.zeros(0), count=3, by="probability")
    assert (none.records(), none.result(), none.count, none.by) == ([], 0.0, 3, "probability")


@pytest.mark.usefixtures("own_checks")
@pytest.mark.parametrize("kind", [Accuracy.of, TopK.of, Confusion.of])
def test_types_of_classes(kind: Any) -> None:
    scores = torch.tensor([[0.0, 2.0, 1.0], [0.0, 2.0, 1.0]])
    wanted = kind(scores, torch.tensor([1, 2])).result()
    for dtype in (torch.uint8, torch.int8, torch.int32, torch.uint16):
        assert kind(scores, torch.tensor([1, 2]).to(dtype)).result() == wanted
    assert kind(scores.to(torch.bfloat16), torch.tensor([1, 2])).result() == wanted
    for dtype in (torch.bool, torch.complex64):
        with pytest.raises(UsageError, match="whole numbers, got .* of torch"):
            kind(scores, torch.tensor([1, 0]).to(dtype))
    for shape in ((2,), (2, 3, 1)):
        with pytest.raises(UsageError, match="fit together"):
            kind(torch.zeros(shape), torch.tensor([0, 1]))
    with pytest.raises(NonFiniteError, match="the first in example 0 of 2"):
        kind(torch.full((2, 3), NAN), torch.tensor([0, 1]))


ANSWERS = st.lists(
    st.tuples(
        st.integers(0, 4),  # the same example may come twice
        st.lists(st.integers(-1, 1), min_size=3, max_size=3),
        st.integers(0, 2),
        st.sampled_from([0.0, 0.5, 1.0, 2.5, INF, NAN]),
    ),
    max_size=14,
)


@SETTINGS
@given(ANSWERS, st.integers(0, 5), st.sampled_from(["loss", "probability"]), st.integers(0, 14), st.randoms())
def test_the_worst_mistakes_are_kept_whatever_the_grouping(
    rows: Any, count: int, by: Any, cut: int, random: Any
) -> None:
    def tally(part: Any) -> Mistakes:
        scores = torch.tensor([row[1] for row in part], dtype=torch.float32).reshape(-1, 3)
        index, targets = (torch.tensor([row[i] for row in part], dtype=torch.long) for i in (0, 2))
        losses = torch.tensor([row[3] for row in part])
        return Mistakes.of(scores, targets, index, losses, count=count, by=by)

    def key(record: dict[str, Any]) -> Any:
        value = record[by]
        return (-INF if math.isnan(value) else -value, record["index"])

    wrong = []
    for index, scores, target, loss in rows:
        predicted = scores.index(max(scores))
        if predicted != target:
            chance = 1 / sum(math.exp(score - max(scores)) for score in scores)
            wrong.append({"index": index, "truth": target, "predicted": predicted, "probability": chance, "loss": loss})
    whole = tally(rows)
    random.shuffle(rows)
    first, last = tally(rows[:cut]), tally(rows[cut:])
    before = copy.deepcopy(first)
    for merged in (first.merge(last), last.merge(first)):
        assert repr(merged) == repr(whole)
        assert repr(merged.records()) == repr(whole.records())
    assert repr(first) == repr(before)
    assert whole.result() == len(wrong)
    kept = whole.records()
    assert [key(record) for record in kept] == [
        (pytest.approx(worse), index) for worse, index in sorted(map(key, wrong))[:count]
    ]
    for record in kept:
        assert any(record == pytest.approx(other, nan_ok=True) for other in wrong)
    assert repr(pickle.loads(pickle.dumps(whole))) == repr(whole)


def test_records_are_plain_and_what_mistakes_refuse() -> None:
    scores, ones = torch.tensor([[0.0, 1.0]]), torch.tensor([1])
    found = Mistakes.of(scores, torch.tensor([0]), torch.tensor([2**53 + 1]), torch.tensor([0.5]))
    (record,) = found.records()
    assert record["index"] == 2**53 + 1
    assert {name: type(value) for name, value in record.items()} == {
        "index": int,
        "truth": int,
        "predicted": int,
        "probability": float,
        "loss": float,
    }
    record["loss"] = 9.0
    assert found.records()[0]["loss"] == 0.5
    assert Mistakes.of(scores, torch.tensor([0]), ones, torch.tensor([0.5]), count=0).records() == []
    with pytest.raises(UsageError, match="count is how many are kept: expected at least 0, got -1"):
        Mistakes.of(scores, ones, ones, torch.zeros(1), count=-1)
    with pytest.raises(UsageError, match="expected loss or probability, got size"):
        Mistakes.of(scores, ones, ones, torch.zeros(1), by="size")  # type: ignore[arg-type]


@pytest.mark.usefixtures("own_checks")
def test_mistakes_need_an_index_and_a_loss_for_each() -> None:
    scores, two = torch.zeros(2, 3), torch.tensor([1, 2])
    for index, losses in ((two[:1], torch.zeros(2)), (two, torch.zeros(1)), (two, torch.zeros(2, 1))):
        with pytest.raises(UsageError, match=r"an index and a loss: expected shape \(2,\)"):
            Mistakes.of(scores, two, index, losses)
    with pytest.raises(DataError, match="mistakes: a class is out of range"):
        Mistakes.of(scores, two + 1, two, torch.zeros(2))
    with pytest.raises(NonFiniteError, match="mistakes: a score is NaN"):
        Mistakes.of(scores * NAN, two, two, torch.zeros(2))
