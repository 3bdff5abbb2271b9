"""Worker processes that make the items of a dataset; the death of one is told where an item is asked for."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from chainrule.core.errors import ChainruleError, DataError

WORKER_SECONDS = 120.0
"""How long one item may take before its process counts as stuck."""


def from_workers(items: Dataset, wanted: Sequence[int], count: int) -> Iterator[Any]:
    """Yield `items[i]` for the wanted numbers, made ahead by `count` processes. An item that is our error is raised.

    Raises:
        DataError: A process died or is stuck.
    """
    if not wanted:
        return
    with _explained(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more processes than cores: as was asked for
        loader = DataLoader(
            items,
            batch_size=None,
            sampler=wanted,
            num_workers=count,
            prefetch_factor=4,
            worker_init_fn=_quiet,
            timeout=WORKER_SECONDS,
        )
        batches: Any = iter(loader)
    deaths = _Deaths()
    try:
        for _ in wanted:
            with _explained(), deaths.told():
                item = next(batches)
            if isinstance(item, ChainruleError):
                raise item
            yield item
    finally:
        with suppress(RuntimeError), deaths.told():
            pass  # what is left to tell would cut the end of the others short
        with suppress(RuntimeError), deaths.told():
            batches._shutdown_workers()
        deaths.close()


class _Deaths:
    """Hold back torch's word that a process died: it comes from a signal handler, wherever the program is just then.

    In the middle of a write, or while another error is dealt with, it would end that. Here it is kept until an item is
    waited for.
    """

    def __init__(self) -> None:
        self.waiting = self.pending = False
        self.handler: Any = signal.getsignal(signal.SIGCHLD) if hasattr(signal, "SIGCHLD") else None
        self.held = callable(self.handler) and threading.current_thread() is threading.main_thread()
        if self.held:
            signal.signal(signal.SIGCHLD, self._came)

    def _came(self, number: int, frame: Any) -> None:
        if self.waiting:
            self.handler(number, frame)
        else:
            self.pending = True

    @contextmanager
    def told(self) -> Iterator[None]:
        """Let the word through, that of a death before too."""
        self.waiting = True
        try:
            if self.pending:
                self.pending = False
                self.handler(signal.SIGCHLD, None)
            yield
        finally:
            self.waiting = False

    def close(self) -> None:
        """Leave the signal to torch again."""
        if self.held:
            signal.signal(signal.SIGCHLD, self.handler)


def _quiet(worker: int) -> None:
    """Ctrl-C is for the main process, which lets its workers go."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ConnectionResetError, EOFError) as error:
        raise _worker_error(error) from None


def _worker_error(error: BaseException) -> ChainruleError:
    text = str(error)
    if "timed out" in text:
        return DataError(
            f"a data worker gave no batch for {WORKER_SECONDS:.0f} s",
            remedy="look at slow or hanging files, or use --train.workers 0",
        )
    if "shared memory" in text or "No space left" in text:
        return DataError(
            "the shared memory is too small for data workers", remedy="use --train.workers 0, or enlarge /dev/shm"
        )
    return DataError(
        f"a data worker died: {text.splitlines()[0] if text else type(error).__name__}",
        remedy="use --train.workers 0 to see the cause",
    )
