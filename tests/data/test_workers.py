"""Worker processes make the same items, and the death of one comes up where an item is asked for."""

from __future__ import annotations

import os
import signal
import time

import pytest
import torch
from torch.utils.data import Dataset

from chainrule.core.errors import DataError
from chainrule.data.workers import from_workers


class Squares(Dataset):
    def __getitem__(self, number: int) -> tuple[int, object]:
        if number == 13:
            return os.getpid(), DataError("the thirteenth is missing")
        return os.getpid(), torch.tensor(number**2)


class Refused(Squares):
    def __getitem__(self, number: int) -> object:
        return super().__getitem__(number)[1]


@pytest.mark.parametrize("count", [1, 3])
def test_items_come_in_order(count: int) -> None:
    items = list(from_workers(Squares(), range(20, 60), count))
    assert [int(item) for _, item in items] == [number**2 for number in range(20, 60)]
    assert len({process for process, _ in items} - {os.getpid()}) == count


def test_nothing_wanted() -> None:
    assert list(from_workers(Squares(), range(0), 2)) == []


def test_an_error_of_ours_is_raised_where_it_belongs() -> None:
    items = from_workers(Refused(), range(20), 1)
    assert len([next(items) for _ in range(13)]) == 13
    with pytest.raises(DataError, match="thirteenth"):
        next(items)


@pytest.mark.skipif(not hasattr(signal, "SIGCHLD"), reason="needs the signal of a child's end")
def test_a_death_waits_until_an_item_is_asked_for() -> None:
    before = signal.getsignal(signal.SIGCHLD)
    items = from_workers(Squares(), range(20, 100_000), 2)
    process, _ = next(items)
    os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:  # here the word of the signal handler would come up without us
        pass
    with pytest.raises(DataError, match="a data worker died"):
        next(items)
    os.kill(os.getpid(), signal.SIGCHLD)  # nothing is left to be told
    after = signal.getsignal(signal.SIGCHLD)
    assert after == before or "signal_handling" in getattr(after, "__module__", "")


def test_what_is_left_unread_ends_quietly() -> None:
    items = from_workers(Squares(), range(20, 100_000), 2)
    process, _ = next(items)
    items.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
