"""Which process is stuck: each writes down, every now and then, how far it has come; and it ends with its launcher."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

from torch.distributed import Store  # type: ignore[attr-defined]

from chainrule.core.errors import DistributedError
from chainrule.runtime.launched import launcher

T = TypeVar("T")
EVERY = 1.0
"""Seconds between two beats."""
PATIENCE = 5 * EVERY
"""Seconds that process 0 may take to answer when it has been waited for already."""
Beat = tuple[int, int]


class Heartbeat:
    """A thread that writes the number of joint sums that this process has come to into the store of all.

    A process that is stopped or dead writes no more; one that hangs writes the same number again and again. So those
    that wait can say for whom. When the launcher is gone, which nobody watches, the process is asked to end (SIGTERM).

    Args:
        store: Of all processes.
        rank: Of this one.
        size: How many they are.
        seconds: How long one waits for another.
    """

    def __init__(self, store: Store, rank: int, size: int, seconds: float) -> None:
        self.store, self.rank, self.size, self.seconds = store, rank, size, seconds
        self.count = 0
        self._seen: dict[int, tuple[Beat, float]] = {}
        self._launcher = launcher()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def beat(self) -> None:
        """Count a joint sum that this process has come to."""
        self.count += 1

    def _run(self) -> None:
        for number in itertools.count():
            with suppress(RuntimeError):  # the store goes when process 0 does
                self.store.set(f"beat {self.rank}", f"{self.count} {number}")
            if self._launcher is not None and os.getppid() != self._launcher:
                os.kill(os.getpid(), signal.SIGTERM)
                return
            if self._ended.wait(EVERY):
                return

    def ask(self, question: Callable[[Store], T], within: float | None = None) -> T:
        """Return what the store answers. It is process 0 that answers: where that is stopped, a question never ends.

        Args:
            question: What is asked of it.
            within: Seconds; as long as one waits for another when left out.

        Raises:
            DistributedError: There was no answer.
        """
        answers: list[T] = []
        errors: list[RuntimeError] = []

        def asking() -> None:
            try:
                answers.append(question(self.store))
            except RuntimeError as error:
                errors.append(error)

        thread = threading.Thread(target=asking, name="question", daemon=True)  # left behind where it never ends
        thread.start()
        thread.join(self.seconds if within is None else within)
        if answers:
            return answers[0]
        raise errors[0] if errors else self._named([0], silent=True)

    def silent(self, rank: int) -> float:
        """Return for how many seconds a process has given no sign of life, by this machine's clock.

        It is counted from when this was first asked, so that it is asked again and again.
        """
        beat, now = self._beat(rank), time.monotonic()
        if rank not in self._seen or self._seen[rank][0] != beat:
            self._seen[rank] = beat, now
        return now - self._seen[rank][1]

    def _beat(self, rank: int, within: float | None = None) -> Beat:
        """How many joint sums a process has come to, and the number of its beat; -1 where there was none."""
        key = f"beat {rank}"
        said = self.ask(lambda store: store.get(key).decode() if store.check([key]) else "-1 -1", within)
        count, number = map(int, said.split())
        return count, number

    def stuck(self) -> DistributedError:
        """Return the error that names those who did not come. It takes some seconds: they are looked at twice."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        try:
            first = {rank: self._beat(rank, PATIENCE) for rank in others}
            time.sleep(3 * EVERY)
            then = {rank: self._beat(rank, PATIENCE) for rank in others}
        except DistributedError as error:
            return error
        except RuntimeError:  # the store is gone, and process 0 with it
            return self._named([0], silent=False)
        silent = [rank for rank in others if first[rank] == then[rank]]
        behind = [rank for rank in others if then[rank][0] < self.count]
        names = sorted({*behind, *silent})
        return self._named(names, silent=bool(names) and set(names) <= set(silent))

    def _named(self, ranks: list[int], *, silent: bool) -> DistributedError:
        who = f"process{'es' if len(ranks) > 1 else ''} {', '.join(map(str, ranks))}" if ranks else "another process"
        how = " (stopped: it gives no sign of life)" if silent else ""
        return DistributedError(
            f"{who} did not come along{how}",
            expected=f"all {self.size} processes at the same joint sum within {self.seconds:g} s",
            remedy="look at what that process does; `chainrule resume` goes on from the last checkpoint",
        )

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(2 * EVERY)
