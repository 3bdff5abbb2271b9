"""Who is told to be stuck: process 0, which holds the store, may be slow to answer, and may never do."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from chainrule.core.errors import DistributedError
from chainrule.runtime import heartbeat
from chainrule.runtime.heartbeat import Heartbeat


class Answers:
    """A store that answers after some seconds; None: never."""

    def __init__(self, after: float | None, beats: dict[str, str]) -> None:
        self.after, self.beats = after, beats

    def check(self, keys: list[str]) -> bool:
        if self.after is None:
            threading.Event().wait(5)
            raise RuntimeError("the store is gone")
        time.sleep(self.after)
        return keys[0] in self.beats

    def get(self, key: str) -> bytes:
        return self.beats[key].encode()


def watcher(after: float | None, seconds: float, beats: dict[str, str] | None = None, rank: int = 1) -> Heartbeat:
    store: Any = Answers(after, beats or {"beat 0": "3 5"})
    return Heartbeat(store, rank, 3, seconds)


def test_a_slow_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as for any process, though nobody would wait so long for one that has been waited for."""
    monkeypatch.setattr(heartbeat, "PATIENCE", 0.05)
    assert watcher(0.3, 5.0).silent(0) < 0.3
    assert watcher(0.3, 5.0).ask(lambda store: store.check(["beat 0"]))


def test_no_answer_is_that_of_process_0() -> None:
    with pytest.raises(DistributedError, match=r"process 0 did not come along \(stopped.*within 0.2 s"):
        watcher(None, 0.2).silent(0)


@pytest.mark.parametrize(
    ("beats", "said"),
    [
        ({"beat 0": "3 5", "beat 2": "4 9"}, r"^processes 0, 2 did not come along \(stopped"),
        ({"beat 0": "4 5"}, r"^processes 0, 2 did not"),
    ],
)
def test_who_is_stuck(monkeypatch: pytest.MonkeyPatch, beats: dict[str, str], said: str) -> None:
    monkeypatch.setattr(heartbeat, "EVERY", 0.01)
    one = watcher(0.0, 5.0, beats)
    one.count = 4
    with pytest.raises(DistributedError, match=said):
        raise one.stuck()


def test_who_beats_and_is_behind_is_not_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "EVERY", 0.05)
    beats = {"beat 0": "4 5", "beat 2": "3 9"}
    one = watcher(0.0, 5.0, beats)
    one.count = 4
    threading.Timer(0.05, beats.update, [{"beat 0": "4 6", "beat 2": "3 10"}]).start()
    error = one.stuck()
    assert "process 2 did not come along" in str(error)
    assert "stopped" not in str(error)
