"""Orders: every index once an epoch, a function of (seed, epoch) alone."""

import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import DataError, UsageError
from chainrule.data import Sequential, Shuffled, ShuffledWindows
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


GROUPS = torch.tensor([5, 5, 5, 2, 2, 9, 9, 9, 9, 4, 4, 4, 7])  # five groups of one to four examples


@pytest.mark.parametrize("window", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("batch", [1, 3, 13, 20])
def test_windows_hold_each_example_once_and_whole_groups(window, batch) -> None:
    order = ShuffledWindows(GROUPS, batch, seed=1, window=window)
    assert order.per_epoch == Shuffled(len(GROUPS), batch, seed=1).per_epoch
    for epoch in range(3):
        steps = [order(step) for step in range(epoch * order.per_epoch, (epoch + 1) * order.per_epoch)]
        assert {number for number, _ in steps} == {epoch}
        every = torch.cat([index for _, index in steps])
        assert sorted(every.tolist()) == list(range(len(GROUPS)))
        seen: list[set[int]] = []  # the groups of each window, in turn
        for group in GROUPS[every].tolist():
            if not seen or (group not in seen[-1] and len(seen[-1]) == window):
                seen.append(set())
            seen[-1].add(group)
        assert sorted(group for some in seen for group in some) == [2, 4, 5, 7, 9]


def test_windows_differ_from_epoch_to_epoch_and_by_seed() -> None:
    groups = torch.arange(400) // 10
    first = ShuffledWindows(groups, 50, seed=1, window=4)
    again = pickle.loads(pickle.dumps(first))
    steps = [first(step)[1] for step in (0, 9, 3, 17)]  # in any order of asking
    assert all(torch.equal(one, again(step)[1]) for one, step in zip(steps, (0, 9, 3, 17)))
    turns = {tuple(groups[first(8 * epoch)[1]].unique().tolist()) for epoch in range(4)}
    assert len(turns) == 4
    assert not torch.equal(ShuffledWindows(groups, 50, seed=2, window=4)(0)[1], first(0)[1])
    inside = groups[first(0)[1]]
    assert len(inside.unique_consecutive()) > 20  # examples of the window's shards are mixed


def test_a_window_needs_a_group() -> None:
    with pytest.raises(UsageError, match="at least one group"):
        ShuffledWindows(GROUPS, 2, seed=0, window=0)
