"""Groups of like length: every example once an epoch, found by the step's number, little padding."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import DataError, UsageError
from chainrule.data import Shuffled
from chainrule.data.buckets import Buckets
from chainrule.data.ragged import Ragged, padding_share

LENGTHS = st.lists(st.integers(0, 30), min_size=4, max_size=120)


def epoch_of(order: Any, epoch: int) -> list[list[int]]:
    found = []
    for step in range(epoch * order.per_epoch, (epoch + 1) * order.per_epoch):
        said, index = order(step)
        assert said == epoch
        found.append(index.tolist())
    return found


@settings(deadline=None, derandomize=True, max_examples=120)
@given(LENGTHS, st.integers(1, 4), st.integers(0, 20), st.integers(1, 6), st.booleans(), st.integers(0, 9))
def test_every_example_once_an_epoch(
    lengths: list[int], parts: int, more: int, pool: int, by_tokens: bool, seed: int
) -> None:
    budget: dict[str, Any] = {"batch": parts + more}
    if by_tokens:
        budget = {"tokens": parts * max(1, *lengths) + more}
    order = Buckets(torch.tensor(lengths), seed=seed, parts=parts, pool=pool, **budget)
    for epoch in range(3):
        groups = epoch_of(order, epoch)
        assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
        assert min(map(len, groups)) >= parts
        for group in groups:
            if by_tokens:
                longest = max(lengths[index] for index in group)
                assert len(group) * longest <= budget["tokens"] or len(group) < 2 * parts
            else:
                assert len(group) <= budget["batch"] or len(group) < 2 * parts


@settings(deadline=None, derandomize=True, max_examples=30)
@given(LENGTHS, st.integers(0, 40), st.integers(0, 5))
def test_a_step_depends_on_its_number_alone(lengths: list[int], step: int, seed: int) -> None:
    order = Buckets(torch.tensor(lengths), batch=3, seed=seed)
    for before in (17, 2, 30):
        order(before)
    alone = Buckets(torch.tensor(lengths), batch=3, seed=seed)
    assert torch.equal(order(step)[1], alone(step)[1])
    assert torch.equal(order(step)[1], pickle.loads(pickle.dumps(order))(step)[1])


def test_epochs_and_seeds_differ_and_groups_are_mixed() -> None:
    lengths = torch.arange(400) % 40
    order = Buckets(lengths, batch=10, seed=1)
    first, second = epoch_of(order, 0), epoch_of(order, 1)
    assert first != second
    assert first != epoch_of(Buckets(lengths, batch=10, seed=2), 0)
    means = [float(lengths[group].float().mean()) for group in first]
    assert means != sorted(means)  # groups come in no order of length
    assert means != sorted(means, reverse=True)
    together = {tuple(sorted(group)) for group in first} & {tuple(sorted(group)) for group in second}
    assert len(together) < 2


def test_less_padding_than_plain_shuffling_and_none_in_equal_lengths() -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 60, (2000,), generator=generator)
    shares = []
    for order in (Buckets(lengths, batch=32, pool=1), Buckets(lengths, batch=32), Shuffled(2000, 32, 0)):
        shares.append(padding_share(lengths, map(torch.tensor, epoch_of(order, 0))))
    assert shares[0] < 0.02 < shares[1] < 0.12 < 0.4 < shares[2]
    equal = torch.full((100,), 7)
    assert padding_share(equal, map(torch.tensor, epoch_of(Buckets(equal, tokens=70), 0))) == 0.0


def test_a_pool_of_everything_is_plain_shuffling() -> None:
    lengths = torch.arange(1000)
    order = Buckets(lengths, batch=10, pool=100)
    spread = torch.stack([lengths[group].float().std() for group in map(torch.tensor, epoch_of(order, 0))])
    assert float(spread.mean()) > 250  # that of all is 289


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, UsageError, "either batch or tokens"),
        ({"batch": 2, "tokens": 3}, UsageError, "either batch or tokens"),
        ({"batch": 2, "parts": 3}, UsageError, "1 <= parts <= batch"),
        ({"batch": 2, "pool": 0}, UsageError, "pool at least 1"),
        ({"batch": 5, "parts": 4}, DataError, "too few examples"),
        ({"tokens": 8}, DataError, "at least 9 tokens for 1 of 9"),
        ({"tokens": 17, "parts": 2}, DataError, "at least 18 tokens for 2 of 9"),
    ],
)
def test_what_cannot_be_cut(options: dict[str, int], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Buckets(torch.tensor([9, 1, 2]), **options)  # type: ignore[arg-type]


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.lists(st.lists(st.integers(1, 99), max_size=9), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_padded_sequences_are_the_sequences(rows: list[list[int]], random: Any) -> None:
    texts = Ragged(torch.tensor(row, dtype=torch.int64) for row in rows)
    index = [random.randrange(len(rows)) for _ in range(5)]
    tokens, lengths = texts.padded(torch.tensor(index))
    assert tokens.shape == (5, max(1, *(len(rows[i]) for i in index)))
    for row, length, i in zip(tokens.tolist(), lengths.tolist(), index):
        assert row == rows[i] + [0] * (len(row) - len(rows[i]))
        assert length == len(rows[i])
        assert texts[i].tolist() == rows[i]
