"""The batches of a run, step after step, made here or by worker processes: the same either way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from chainrule.core.errors import ChainruleError, DataError
from chainrule.data.batches import Batch
from chainrule.runtime.rng import keys

WORKER_SECONDS = 120.0
"""How long one batch of a worker process may take before it counts as stuck."""


class _Plan(Protocol):
    @property
    def steps(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def parts(self) -> int: ...
    @property
    def workers(self) -> int: ...


class _World(Protocol):
    rank: int
    size: int


def feed(
    examples: Any, order: Any, plan: _Plan, world: _World, *, first: int
) -> Iterator[tuple[int, dict[int, Batch]]]:
    """Yield `(epoch, {part: batch})` for the steps from `first` on.

    A step's examples are cut into `plan.parts` pieces, whoever computes them; this process takes its share. What a
    batch holds is a function of (seed, epoch, index), so neither workers nor resuming change it.

    Raises:
        DataError: A worker process died or is stuck, or a step has fewer examples than parts.
    """
    steps = _Steps(examples, order, plan.seed, plan.parts, world.rank, world.size)
    if plan.workers == 0:
        for step in range(first, plan.steps):
            yield steps[step]
        return
    loader = DataLoader(
        steps,
        batch_size=None,
        sampler=range(first, plan.steps),
        num_workers=plan.workers,
        prefetch_factor=4,
        worker_init_fn=_quiet_worker,
        timeout=WORKER_SECONDS,
    )
    batches = iter(loader)
    while True:
        try:
            item = next(batches)
        except StopIteration:
            return
        except (RuntimeError, ConnectionResetError, EOFError) as error:
            raise _worker_error(error) from None
        if isinstance(item, ChainruleError):
            raise item
        yield item


class _Steps(Dataset):
    """Step -> its batches; what worker processes hold."""

    def __init__(self, examples: Any, order: Any, seed: int, parts: int, rank: int, size: int) -> None:
        self.examples, self.order, self.seed = examples, order, seed
        self.parts, self.rank, self.size = parts, rank, size

    def __getitem__(self, step: int) -> Any:
        epoch, index = self.order(step)
        if len(index) < self.parts:
            raise DataError("a step has fewer examples than parts", expected=f"at least {self.parts}", got=len(index))
        key = keys(self.seed, epoch, index, "example")
        pieces = list(zip(index.tensor_split(self.parts), key.tensor_split(self.parts)))
        mine = range(self.rank, self.parts, self.size)
        try:
            return epoch, {part: self.examples.fetch(*pieces[part]) for part in mine}
        except ChainruleError as error:
            if torch.utils.data.get_worker_info() is None:
                raise
            return error


def _quiet_worker(worker: int) -> None:
    """Ctrl-C is for the main process, which lets its workers go."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


@contextmanager
def worker_errors() -> Iterator[None]:
    """Explain the death of a data worker, which torch reports from a signal handler, wherever the program is just then.

    Raises:
        DataError: A data worker died.
    """
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
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
