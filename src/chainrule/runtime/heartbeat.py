"""Which process is stuck: each writes down, every now and then, how far it has come."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import TracebackType

import torch.distributed as dist
from torch.distributed import Store  # type: ignore[attr-defined]

from chainrule.core.errors import DistributedError

EVERY = 1.0
"""Seconds between two beats."""


class Heartbeat:
    """A thread that writes the number of joint sums that this process has come to into the store of all.

    A process that is stopped or dead writes no more; one that hangs writes the same number again and again. So those
    that wait can say for whom.
    """

    def __init__(self, store: Store, rank: int, size: int) -> None:
        self.store, self.rank, self.size = store, rank, size
        self.count, self._begun = 0, time.time()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def beat(self) -> None:
        """Count a joint sum that this process has come to."""
        self.count += 1

    def _run(self) -> None:
        while not self._ended.is_set():
            with suppress(RuntimeError, dist.DistError):  # the store goes when process 0 does
                self.store.set(f"beat {self.rank}", f"{self.count} {time.time()}")
            self._ended.wait(EVERY)

    def silent(self, rank: int) -> float:
        """Return for how many seconds a process has given no sign of life."""
        if not self.store.check([f"beat {rank}"]):
            return time.time() - self._begun
        return time.time() - float(self.store.get(f"beat {rank}").decode().split()[1])

    def stuck(self, waited: float) -> DistributedError:
        """Return the error that names those who did not come."""
        found: dict[int, tuple[int, float]] = {}
        for rank in range(self.size):
            with suppress(RuntimeError, dist.DistError, ValueError):
                if self.store.check([f"beat {rank}"]):
                    count, when = self.store.get(f"beat {rank}").decode().split()
                    found[rank] = int(count), time.time() - float(when)
        behind = [rank for rank, (count, _) in found.items() if rank != self.rank and count < self.count]
        silent = [rank for rank, (_, age) in found.items() if rank != self.rank and age > 5 * EVERY]
        names = sorted({*behind, *silent}) or [rank for rank in range(self.size) if rank not in found]
        who = f"process{'es' if len(names) > 1 else ''} {', '.join(map(str, names))}" if names else "another process"
        how = " (stopped: it gives no sign of life)" if names and set(names) <= set(silent) else ""
        return DistributedError(
            f"{who} did not come along{how}",
            expected=f"all {self.size} processes at the same joint sum within {waited:g} s",
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
