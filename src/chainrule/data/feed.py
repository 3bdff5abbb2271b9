"""The batches of a run, step after step, made here or by worker processes: the same either way."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol

import torch
from torch.utils.data import Dataset

from chainrule.core.errors import ChainruleError
from chainrule.data.batches import Batch
from chainrule.data.workers import from_workers
from chainrule.runtime.rng import keys

REPEATED = -1
"""The number of a part that another process has too: it is computed so that all do the same, and counts nothing."""


class _Plan(Protocol):
    @property
    def end(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def workers(self) -> int: ...
    def parts_at(self, step: int) -> int: ...


class _World(Protocol):
    rank: int
    size: int


def feed(
    examples: Any, order: Any, plan: _Plan, world: _World, *, first: int
) -> Generator[tuple[int, dict[int, Batch]]]:
    """Yield `(epoch, {part: batch})` for the steps from `first` on.

    A step's examples are cut into `plan.parts_at(step)` pieces, at least one a process and at most one an example,
    whoever computes them; this process takes its share. Where there is none left for it, it repeats the first
    (`REPEATED`). What a batch holds is a function of (seed, epoch, index), so neither workers nor resuming change it.

    Raises:
        DataError: A worker process died or is stuck.
    """
    steps = _Steps(examples, order, plan.seed, plan.parts_at, world.rank, world.size)
    wanted = range(first, plan.end)
    if plan.workers == 0:
        for step in wanted:
            yield steps[step]
        return
    yield from from_workers(steps, wanted, plan.workers)


class _Steps(Dataset):
    """Step -> its batches; what worker processes hold."""

    def __init__(
        self, examples: Any, order: Any, seed: int, parts_at: Callable[[int], int], rank: int, size: int
    ) -> None:
        self.examples, self.order, self.seed = examples, order, seed
        self.parts_at, self.rank, self.size = parts_at, rank, size

    def __getitem__(self, step: int) -> Any:
        epoch, index = self.order(step)
        count = min(max(self.parts_at(step), self.size), len(index))
        key = keys(self.seed, epoch, index, "example")
        pieces = list(zip(index.tensor_split(count), key.tensor_split(count)))
        mine = range(self.rank, self.size * -(-count // self.size), self.size)
        try:
            return epoch, {
                part if part < count else REPEATED: self.examples.fetch(*pieces[part if part < count else 0])
                for part in mine
            }
        except ChainruleError as error:
            if torch.utils.data.get_worker_info() is None:
                raise
            return error
