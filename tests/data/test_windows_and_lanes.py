"""Pieces of a long sequence: every token is learned from, every token is measured once, states can be carried."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core.errors import DataError, UsageError
from chainrule.data.lanes import Lanes
from chainrule.data.windows import IGNORED, Scored, Windows
from chainrule.runtime.rng import keys


@given(
    count=st.integers(2, 60),
    begin=st.integers(0, 40),
    length=st.integers(1, 9),
    context=st.integers(1, 12),
    after=st.integers(0, 5),
)
def test_each_token_of_a_part_counts_exactly_once_after_the_token_before_it(
    count: int, begin: int, length: int, context: int, after: int
) -> None:
    tokens = torch.arange(begin + count + after)  # each token is its own place
    part = Scored(tokens, begin, begin + count, length=length, context=context)
    index = torch.arange(len(part))
    batch = part.fetch(index, index)
    counted = batch.targets[batch.targets != IGNORED]
    assert sorted(counted.tolist()) == list(range(max(begin, 1), begin + count))
    assert bool((batch.inputs == batch.targets - 1)[batch.targets != IGNORED].all())
    first = (batch.targets != IGNORED).int().argmax(1)  # tokens before the first that counts, but the one right before
    wanted = torch.minimum(max(begin, 1) + index * length, torch.tensor(context))
    assert torch.equal(first + 1, wanted)


@given(count=st.integers(0, 80), lanes=st.integers(1, 6), length=st.integers(1, 9), parts=st.integers(1, 3))
def test_lanes_go_on_where_they_stopped(count: int, lanes: int, length: int, parts: int) -> None:
    tokens = torch.arange(count + lanes + 1)
    if parts > lanes:
        with pytest.raises(UsageError, match="parts <= lanes"):
            Lanes(tokens, lanes, length, parts)
        return
    order = Lanes(tokens, lanes, length, parts)
    read: list[list[int]] = [[] for _ in range(lanes)]
    for step in range(order.per_epoch):
        epoch, index = order(step)
        assert (epoch, order.is_first(index)) == (0, step == 0)
        batch = order.fetch(index, index)
        assert torch.equal(batch.targets, batch.inputs + 1)
        for lane, row in enumerate(batch.inputs.tolist()):
            read[lane] += row
    each = (len(tokens) - 1) // lanes
    assert read == [list(range(lane * each, (lane + 1) * each)) for lane in range(lanes)]
    assert order(order.per_epoch)[0] == 1


def test_windows_move_from_epoch_to_epoch_and_stay_inside() -> None:
    windows = Windows(torch.arange(101), 10)
    index = torch.arange(len(windows))
    seen = set()
    for epoch in range(30):
        batch = windows.fetch(index, keys(0, epoch, index, "example"))
        assert batch.inputs.shape == (10, 10)
        assert torch.equal(batch.targets, batch.inputs + 1)
        seen |= set(batch.inputs.flatten().tolist())
    assert seen == set(range(100))
    short = Windows(torch.arange(5), 100)
    assert short.fetch(torch.tensor([0]), torch.tensor([3])).inputs.tolist() == [[0, 1, 2, 3]]


def test_too_little_text_is_refused() -> None:
    with pytest.raises(DataError, match="too short to learn"):
        Windows(torch.arange(1), 4)
    with pytest.raises(DataError, match="side by side"):
        Lanes(torch.arange(5), 8, 4)
    with pytest.raises(DataError, match="too short to measure"):
        Scored(torch.arange(5), 3, 3, length=2, context=2)
