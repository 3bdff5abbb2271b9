"""Orders: every index once an epoch, a function of (seed, epoch) alone."""

import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import DataError, UsageError
from chainrule.data import Sequential, Shuffled
from chainrule.data.order import permutation

sizes = st.tuples(st.integers(1, 70), st.integers(1, 40), st.integers(1, 9)).filter(
    lambda t: t[2] <= t[1] and t[2] <= t[0]
)


@given(sizes, st.integers(0, 2**63 - 1), st.booleans())
@settings(deadline=None, max_examples=150, derandomize=True)
def test_each_index_exactly_once_an_epoch(size, seed, shuffled) -> None:
    count, batch, parts = size
    order = Shuffled(count, batch, seed, parts) if shuffled else Sequential(count, batch, parts)
    for epoch in (0, 3):
        groups = []
        for position in range(order.per_epoch):
            told, index = order(epoch * order.per_epoch + position)
            assert told == epoch
            assert index.dtype == torch.int64
            assert len(index) >= parts
            groups.append(index)
        assert torch.equal(torch.cat(groups).sort().values, torch.arange(count))
        assert all(len(group) == batch for group in groups[:-1])
        assert len(groups[-1]) < batch + parts


@given(sizes, st.integers(0, 1000), st.lists(st.integers(0, 300), min_size=1, max_size=12))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_a_step_depends_on_nothing_that_was_asked_before(size, seed, steps) -> None:
    count, batch, parts = size
    order = Shuffled(count, batch, seed, parts)
    for step in steps:
        fresh = Shuffled(count, batch, seed, parts)
        assert order(step)[0] == fresh(step)[0]
        assert torch.equal(order(step)[1], fresh(step)[1])


def test_a_short_last_group_joins_the_one_before_when_it_cannot_be_cut() -> None:
    assert [len(Sequential(21, 8, parts=4)(step)[1]) for step in range(3)] == [8, 8, 5]
    assert Sequential(21, 8, parts=6).per_epoch == 2
    assert [len(Sequential(21, 8, parts=6)(step)[1]) for step in range(2)] == [8, 13]
    assert Sequential(16, 8, parts=8).per_epoch == 2
    assert Sequential(3, 8, parts=2).per_epoch == 1


def test_epochs_and_seeds_differ_and_repeat() -> None:
    assert not torch.equal(permutation(50, 0, 0), permutation(50, 0, 1))
    assert not torch.equal(permutation(50, 0, 0), permutation(50, 1, 0))
    assert torch.equal(permutation(50, 0, 0), permutation(50, 0, 0))


def test_every_epoch_is_shuffled_anew_and_every_seed_in_its_own_way() -> None:
    order, other = Shuffled(50, 10, seed=0), Shuffled(50, 10, seed=1)
    epochs = [torch.cat([order(5 * epoch + i)[1] for i in range(5)]) for epoch in range(3)]
    assert [torch.equal(epoch, permutation(50, 0, e)) for e, epoch in enumerate(epochs)] == [True] * 3
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[1], epochs[2])
    assert not torch.equal(order(0)[1], other(0)[1])
    assert not torch.equal(epochs[0], torch.arange(50))


def test_all_orders_are_equally_likely() -> None:
    from scipy import stats

    counts: dict[tuple[int, ...], int] = {}
    for epoch in range(4800):
        order = tuple(permutation(4, 9, epoch).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert stats.chisquare(list(counts.values())).pvalue > 1e-6


def test_what_a_worker_receives_gives_the_same() -> None:
    order = Shuffled(1000, 64, seed=4)
    expected = order(17)[1]
    sent = pickle.dumps(order)
    assert len(sent) < 1000  # not the permutation
    assert torch.equal(pickle.loads(sent)(17)[1], expected)


@pytest.mark.parametrize("arguments", [(10, 0), (10, 2, 0, 0), (10, 2, 0, 3)])
def test_impossible_steps_are_refused(arguments) -> None:
    with pytest.raises(UsageError, match="cannot be cut"):
        Shuffled(arguments[0], arguments[1], 0, *arguments[3:])


@pytest.mark.parametrize("count", [0, 2])
def test_too_few_examples(count) -> None:
    with pytest.raises(DataError, match="too few examples"):
        Sequential(count, 8, parts=3)
