"""The batches of a run, step after step, made here or by worker processes: the same either way."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol

import torch
from torch.utils.data import Dataset

from chainrule.core.errors import ChainruleError, DataError
from chainrule.data.batches import Batch
from chainrule.data.workers import from_workers
from chainrule.runtime.rng import keys


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
) -> Generator[tuple[int, dict[int, Batch]]]:
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
    yield from from_workers(steps, range(first, plan.steps), plan.workers)


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
