"""Splits: disjoint, complete, in proportion, and clear when they are impossible."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chainrule.core.errors import DataError, UsageError
from chainrule.data import split
from chainrule.data._split import stratified

labels_of = st.lists(st.integers(6, 60), min_size=2, max_size=6).map(
    lambda counts: torch.cat([torch.full((n,), label) for label, n in enumerate(counts)])
)


@given(labels_of, st.floats(0.02, 0.5), st.floats(0.02, 0.4), st.integers(0, 2**63 - 1))
@settings(deadline=None, max_examples=150, derandomize=True)
def test_disjoint_complete_and_in_proportion(labels, validation, test_share, seed) -> None:
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    parts = split(labels, validation=validation, test_share=test_share, seed=seed)
    together = torch.cat(list(parts.values()))
    assert torch.equal(together.sort().values, torch.arange(len(labels)))
    classes = int(labels.max()) + 1
    every = torch.bincount(labels, minlength=classes).double()
    test = torch.bincount(labels[parts["test"]], minlength=classes).double()
    valid = torch.bincount(labels[parts["valid"]], minlength=classes).double()
    assert float((test - every * len(parts["test"]) / len(labels)).abs().max()) <= 1
    rest = every - test
    assert float((valid - rest * len(parts["valid"]) / float(rest.sum())).abs().max()) <= 1
    wanted = round(test_share * len(labels))
    assert wanted <= len(parts["test"]) <= wanted + 2 * classes  # a little more where a class would have none
    for part in parts.values():
        assert torch.equal(part, part.sort().values)


@given(labels_of, st.integers(0, 1000))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_the_official_parts_stay_as_they_are(labels, seed) -> None:
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    test, train = order[: len(order) // 4], order[len(order) // 4 :].sort().values
    classes = int(labels.max()) + 1
    parts = split(labels, train=train, test=test, classes=classes, seed=seed)
    assert torch.equal(parts["test"], test)
    assert torch.equal(torch.cat([parts["train"], parts["valid"]]).sort().values, train)
    train, valid = parts["train"], parts["valid"].flip(0)
    again = split(labels, train=train, test=test, valid=valid, classes=classes, seed=seed + 1)
    assert torch.equal(again["train"], train)
    assert torch.equal(again["valid"], valid)


def test_the_seed_decides_and_repeats() -> None:
    labels = torch.tensor([0, 1, 2] * 100)
    first, again, other = (split(labels, seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(first[part], again[part]) for part in first)
    assert not torch.equal(first["test"], other["test"])
    assert not torch.equal(first["valid"], other["valid"])


@given(labels_of, st.integers(6, 400), st.integers(0, 1000))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_a_limit_keeps_the_proportions_and_only_touches_training(labels, limit, seed) -> None:
    whole = split(labels, seed=seed)
    try:
        less = split(labels, seed=seed, limit=limit)
    except DataError as error:  # too few to have every class
        assume("training part has no images" not in str(error))
        raise
    assert torch.equal(whole["valid"], less["valid"])
    assert torch.equal(whole["test"], less["test"])
    assert len(less["train"]) == min(limit, len(whole["train"]))
    assert set(less["train"].tolist()) <= set(whole["train"].tolist())
    classes = int(labels.max()) + 1
    before = torch.bincount(labels[whole["train"]], minlength=classes).double()
    after = torch.bincount(labels[less["train"]], minlength=classes).double()
    assert float((after - before * len(less["train"]) / len(whole["train"])).abs().max()) <= 1


def test_every_image_is_equally_likely_to_be_set_aside() -> None:
    labels = torch.zeros(40, dtype=torch.int64)
    chosen = torch.zeros(40)
    for seed in range(2000):
        chosen[stratified(labels, torch.arange(40), 10, 1, seed)] += 1
    assert float((chosen / 2000 - 0.25).abs().max()) < 0.06


def test_small_classes_are_in_every_part() -> None:
    labels = torch.tensor([0] * 100 + [1] * 3)
    parts = split(labels, validation=0.1, test_share=0.1, seed=3)
    assert all(1 in labels[part] for part in parts.values())


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([], {}, "no images"),
        ([0, 0, 0, 0], {}, "only one class, class 0"),
        ([0, 0, 0, 0], {"classes": ["cat"]}, 'only one class, "cat"'),
        ([0, 1, 3, 2] * 9, {"classes": 3}, "labels are out of range: expected 0 to 2, got 3"),
        ([0, -1] * 9, {}, "labels are out of range.*got -1"),
        ([0, 1, 2], {"classes": 5}, "fewer images than classes: expected at least 5, got 3"),
        ([0] * 50 + [2] * 50, {"classes": ["a", "b", "c"]}, 'training part has no images of "b"'),
        ([0] * 50 + [1], {"classes": ["a", "b"]}, 'training part has no images of "b"'),
        ([0] * 50 + [1] * 50, {"limit": 1}, "training part has no images of class 1"),
    ],
)
def test_impossible_splits_say_why(labels, options, message) -> None:
    with pytest.raises(DataError, match=message):
        split(torch.tensor(labels, dtype=torch.int64), **options)


def test_an_official_validation_part_must_have_every_class() -> None:
    labels = torch.tensor([0, 1] * 20)
    with pytest.raises(DataError, match='validation part has no images of "dog"'):
        split(labels, valid=torch.arange(0, 10, 2), train=torch.arange(10, 40), classes=["cat", "dog"])


def test_an_official_test_part_may_lack_a_class_but_not_all() -> None:
    labels = torch.tensor([0, 1] * 20)
    parts = split(labels, train=torch.arange(20), test=torch.arange(20, 40, 2), classes=2)
    assert len(parts["test"]) == 10
    with pytest.raises(DataError, match="test part has no images"):
        split(labels, train=torch.arange(20), test=torch.empty(0, dtype=torch.int64), classes=2)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_shares_lie_between_0_and_1(share) -> None:
    with pytest.raises(UsageError, match="validation is no share"):
        split(torch.tensor([0, 1] * 9), validation=share)
