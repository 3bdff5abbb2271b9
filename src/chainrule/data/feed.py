"""The batches of a run, step after step, made here or by worker processes: the same either way."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Protocol

from chainrule.core.errors import ChainruleError
from chainrule.data._at_hand import noted, nothing_at_hand
from chainrule.data.batches import Batch
from chainrule.data.workers import from_workers, unforeseen
from chainrule.runtime.rng import keys

REPEATED = -1
"""The number of a part that another process has too: it is computed so that all do the same, and counts nothing."""
SHOWN = 8
"""How many examples an error lists."""


Cuts = Sequence[tuple[int, int]]
"""(step, parts): from a step on, steps are cut into at least so many parts."""


def parts_at(cuts: Cuts, step: int) -> int:
    """Return into how many parts a step is cut.

    Example:
        >>> parts_at([(0, 1), (20, 4)], 19), parts_at([(0, 1), (20, 4)], 20)
        (1, 4)
    """
    return max(parts for first, parts in cuts if first <= step)


class _Plan(Protocol):
    @property
    def end(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def workers(self) -> int: ...
    @property
    def cuts(self) -> Cuts: ...
    @property
    def worker_timeout(self) -> float: ...


class _World(Protocol):
    rank: int
    size: int


def feed(
    examples: Any, order: Any, plan: _Plan, world: _World, *, first: int
) -> Generator[tuple[int, dict[int, Batch]]]:
    """Yield `(epoch, {part: batch})` for the steps from `first` on.

    A step's examples are cut into `parts_at(plan.cuts, step)` pieces, at least one a process and at most one an
    example, whoever computes them; this process takes its share. Where there is none left for it, it repeats the first
    (`REPEATED`). What a batch holds is a function of (seed, epoch, index), so neither workers nor resuming change it.

    Raises:
        DataError: An example cannot be read, a worker process died or is stuck (which example it was reading is told).
    """
    steps = _Steps(examples, order, plan.seed, plan.cuts, world.rank, world.size)
    wanted = range(first, plan.end)
    if plan.workers == 0:
        for step in wanted:
            yield steps[step]
        return
    yield from from_workers(steps, wanted, plan.workers, seconds=plan.worker_timeout, named=steps.named)


class _Steps:
    """Step -> its batches; what worker processes hold."""

    def __init__(self, examples: Any, order: Any, seed: int, cuts: Cuts, rank: int, size: int) -> None:
        self.examples, self.order, self.seed = examples, order, seed
        self.cuts, self.rank, self.size = cuts, rank, size

    def __getitem__(self, step: int) -> tuple[int, dict[int, Batch]]:
        epoch, index = self.order(step)
        count = min(max(parts_at(self.cuts, step), self.size), len(index))
        key = keys(self.seed, epoch, index, "example")
        pieces = list(zip(index.tensor_split(count), key.tensor_split(count)))
        mine = range(self.rank, self.size * -(-count // self.size), self.size)
        nothing_at_hand()
        try:
            return epoch, {
                part if part < count else REPEATED: self.examples.fetch(*pieces[part if part < count else 0])
                for part in mine
            }
        except ChainruleError:
            raise
        except Exception as error:
            raise unforeseen(error, noted() or self.named(step)) from error

    def named(self, step: int) -> str:
        """Return the words for what a step reads, where nothing tells which of its examples it is."""
        _, index = self.order(step)
        some = ", ".join(map(str, index[:SHOWN].tolist())) + (", ..." if len(index) > SHOWN else "")
        return f"one of the training examples {some} (step {step + 1})"
