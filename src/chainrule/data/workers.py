"""Worker processes that make the items of a data set; one that dies, hangs or fails is one error that names the item.

Each worker makes every n-th item, in order, and has a few ahead. What it reads just now stands in memory that this
process sees, so the example that killed it, or that never ends, can be named.
"""

from __future__ import annotations

import atexit
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import torch
import torch.multiprocessing

from chainrule.core.errors import ChainruleError, DataError, OutOfMemoryError
from chainrule.data._at_hand import LENGTH, keep_notes_in, noted, nothing_at_hand, read_note
from chainrule.data._sent import pickled

WORKER_SECONDS = 120.0
"""How long one item may take before its process counts as stuck."""
AHEAD = 4
"""Items that each process makes ahead."""
_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP") if hasattr(signal, name)
]
_LEAVE_SECONDS = 1.0
_WATCH_SECONDS = 0.5

_REMEDIES = {
    "SIGKILL": "the system kills processes when memory runs out: take fewer --train.workers",
    "SIGBUS": "the shared memory may be too small: enlarge /dev/shm, or use --train.workers 0",
    "SIGSEGV": "look at that file: it crashes what reads it",
}


class Items(Protocol):
    """What is made by number; what is made must not depend on the process that makes it."""

    def __getitem__(self, number: int, /) -> Any: ...


def from_workers(
    items: Items,
    wanted: Sequence[int],
    count: int,
    *,
    seconds: float = WORKER_SECONDS,
    named: Callable[[int], str] = "item {}".format,
) -> Iterator[Any]:
    """Yield `items[i]` for the wanted numbers, made ahead by `count` processes; errors come where the item would.

    The processes ignore the signals that end a run (a terminal sends them to all of its processes): this one decides,
    and they end when it lets them go, or is no more.

    Args:
        items: What makes them.
        wanted: Which, in this order.
        count: How many processes.
        seconds: How long one item may take.
        named: What errors call an item when its process did not say what it was reading.

    Raises:
        DataError: A process died or is stuck, or an item could not be made.
    """
    if not wanted:
        return
    crew = _Crew(items, count, seconds, named)
    atexit.register(crew.close)  # a loop that was left half way: processes that nobody waits for must not be joined
    try:
        given = 0
        for place in range(len(wanted)):
            while given < min(len(wanted), place + AHEAD * count):
                crew.give(given, wanted[given])
                given += 1
            item = crew.take(place, wanted[place])
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        atexit.unregister(crew.close)
        crew.close()


class _Failure:
    """Why an item could not be made."""

    def __init__(self, error: ChainruleError) -> None:
        self.error = error


class _Crew:
    """The processes, what connects them with this one, and what each of them is reading."""

    def __init__(self, items: Items, count: int, seconds: float, named: Callable[[int], str]) -> None:
        self.seconds, self.named = seconds, named
        context: Any = torch.multiprocessing.get_context()
        inherited = context.get_start_method() == "fork"
        self.ends: list[Any] = []
        self.notes: list[Any] = []
        self.processes: list[Any] = []
        with _held(_SIGNALS):
            for _ in range(count):
                mine, theirs = context.Pipe()
                note = context.RawArray("c", LENGTH)
                others = [*self.ends, mine] if inherited else []
                process = context.Process(target=_serve, args=(items, theirs, others, note, os.getpid()), daemon=True)
                process.start()
                theirs.close()
                self.ends.append(mine)
                self.notes.append(note)
                self.processes.append(process)

    def give(self, place: int, number: int) -> None:
        """Ask for an item; a process that is no more is told where the item is waited for."""
        with suppress(OSError):
            self.ends[place % len(self.ends)].send(number)

    def take(self, place: int, number: int) -> Any:
        """Wait for an item.

        Raises:
            DataError: Its process died or is stuck.
        """
        worker = place % len(self.ends)
        end, process = self.ends[worker], self.processes[worker]
        ready = multiprocessing.connection.wait([end, process.sentinel], self.seconds)
        if not ready:
            raise DataError(
                f"a data worker hangs at {self._at(worker, number)}",
                expected=f"it within {self.seconds:g} s (train.worker_timeout)",
                remedy="look at that file, or at the disk or network that it comes from",
            )
        if end in ready or end.poll():
            with suppress(EOFError, OSError):  # it died while it sent, or before what it sent was fetched
                return end.recv()
        process.join(_LEAVE_SECONDS)
        how, remedy = _end_of(process.exitcode)
        raise DataError(f"a data worker died at {self._at(worker, number)}", got=how, remedy=remedy)

    def _at(self, worker: int, number: int) -> str:
        return read_note(self.notes[worker]) or self.named(number)

    def close(self) -> None:
        """Let the processes go; they lose nothing by being ended wherever they are."""
        for end in self.ends:
            end.close()
        limit = time.monotonic() + _LEAVE_SECONDS
        for process in self.processes:
            process.join(max(0.0, limit - time.monotonic()))
            if process.exitcode is None:
                process.kill()
                process.join()
            process.close()
        self.ends, self.notes, self.processes = [], [], []


def _end_of(code: int | None) -> tuple[str, str]:
    """How a process ended, and what can be done."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in signal.Signals.__members__.values() else f"signal {-code}"
        return name, _REMEDIES.get(name, "use --train.workers 0 to see the cause")
    return f"exit status {code}", "use --train.workers 0 to see the cause"


@contextmanager
def _held(numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Hold signals back while processes are begun, which would act on them before they ignore them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(items: Items, end: Any, others: Sequence[Any], note: Any, parent: int) -> None:
    """What a worker process does: make the items that it is asked for until the other process lets it go."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    for other in others:
        other.close()  # as long as one copy is open, nobody learns that the process at the other end is gone
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    torch.set_num_threads(1)
    keep_notes_in(note)
    with suppress(EOFError, OSError):
        while True:
            made = _made(items, end.recv())
            nothing_at_hand()
            end.send_bytes(made)


def _made(items: Items, number: int) -> memoryview:
    nothing_at_hand()
    try:
        return pickled(items[number])
    except ChainruleError as error:
        return pickled(_Failure(error))
    except Exception as error:
        return pickled(_Failure(unforeseen(error, noted() or f"item {number}")))


def unforeseen(error: Exception, what: str) -> ChainruleError:
    """Return the error for a failure that nobody explained, while something was being read.

    Example:
        >>> str(unforeseen(ValueError("no pixels"), 'example 3 ("a.png")'))
        'example 3 ("a.png") cannot be read: got ValueError: no pixels'
    """
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return OutOfMemoryError(
            f"there is not enough memory to read {what}",
            remedy="take fewer --train.workers, or a smaller batch",
        )
    said = (str(error).splitlines() or [""])[0]
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = "" if last is None else f" ({os.path.basename(last.tb_frame.f_code.co_filename)}:{last.tb_lineno})"
    return DataError(f"{what} cannot be read", got=f"{type(error).__name__}: {said}{place}")


def _end_with(parent: int) -> None:
    """End this process when the one that began it is no more, whatever this one is doing."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
