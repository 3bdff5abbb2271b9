"""Which examples a step takes: a function of the step, so a run can go on anywhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.runtime.rng import keys


class Shuffled:
    """Shuffle once an epoch, then consecutive groups; every example exactly once an epoch.

    The last group of an epoch may be short. One with fewer examples than `parts` joins the group before it, because
    each part of a step must have something to compute.

    Args:
        count: Number of examples.
        batch: Examples in a group.
        seed: Of the shuffling; the order of epoch e is a function of (seed, e) alone.
        parts: Pieces into which a step is cut.

    Raises:
        DataError: There are no examples, or fewer than parts.
        UsageError: A group is smaller than the number of parts.

    Example:
        >>> order = Shuffled(5, 2, seed=0)
        >>> order.per_epoch, sorted(i for step in range(3) for i in order(step)[1].tolist()), order(3)[0]
        (3, [0, 1, 2, 3, 4], 1)

    Source:
        LECTURES B1.
    """

    def __init__(self, count: int, batch: int, seed: int, parts: int = 1) -> None:
        self._epochs = _Epochs(_Groups(count, batch, parts), partial(permutation, count, seed))

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return self._epochs.groups.number

    def __call__(self, step: int) -> tuple[int, Int64[Tensor, " n"]]:
        """Return the epoch of a step and the indices of its examples."""
        return self._epochs(step)


class ShuffledWindows:
    """Shuffle the groups of examples that lie together (shards), then the examples of a few groups at a time.

    Each example comes exactly once an epoch, and those of an epoch's window of `window` groups come one after another:
    so a group is read once an epoch, and only a few are needed at a time. The order of epoch e is a function of
    (seed, e) alone.

    Args:
        groups: Which group each example belongs to, by number.
        batch: Examples in a step.
        seed: Of the shuffling.
        window: Groups that are mixed with each other.
        parts: Pieces into which a step is cut (see `Shuffled`).

    Raises:
        DataError: There are no examples, or fewer than parts.
        UsageError: A step is smaller than the number of parts, or the window smaller than one group.

    Example:
        >>> order = ShuffledWindows(torch.arange(12) // 3, 3, seed=0, window=2)
        >>> [sorted({i // 3 for step in steps for i in order(step)[1].tolist()}) for steps in ((0, 1), (2, 3))]
        [[0, 2], [1, 3]]

    Source:
        LECTURES B1; the window stands for the buffer in which streams of shards are shuffled.
    """

    def __init__(self, groups: Int64[Tensor, " n"], batch: int, seed: int, *, window: int, parts: int = 1) -> None:
        if window < 1:
            raise UsageError("a window has at least one group", got=window)
        _, of_group = groups.unique(return_inverse=True)
        self._epochs = _Epochs(_Groups(len(groups), batch, parts), partial(_windows, of_group, window, seed))

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return self._epochs.groups.number

    def __call__(self, step: int) -> tuple[int, Int64[Tensor, " n"]]:
        """Return the epoch of a step and the indices of its examples."""
        return self._epochs(step)


class Sequential:
    """The examples as they are stored, in consecutive groups.

    Args:
        count: Number of examples.
        batch: Examples in a group.
        parts: Pieces into which a step is cut (see `Shuffled`).

    Example:
        >>> order = Sequential(5, 2)
        >>> [order(step)[1].tolist() for step in range(order.per_epoch)]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, count: int, batch: int, parts: int = 1) -> None:
        self._groups = _Groups(count, batch, parts)

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return self._groups.number

    def __call__(self, step: int) -> tuple[int, Int64[Tensor, " n"]]:
        """Return the epoch of a step and the indices of its examples."""
        epoch, position = divmod(step, self.per_epoch)
        return epoch, torch.arange(*self._groups.bounds(position))


def permutation(count: int, seed: int, epoch: int) -> Int64[Tensor, " count"]:
    """Return the order of one epoch: the indices sorted by their keys, which all differ.

    Example:
        >>> sorted(permutation(4, seed=1, epoch=0).tolist())
        [0, 1, 2, 3]
    """
    return torch.argsort(keys(seed, epoch, torch.arange(count), "order"))


def _windows(of_group: Tensor, window: int, seed: int, epoch: int) -> Tensor:
    """The examples of one epoch, a window of shuffled groups after the other, shuffled within it."""
    number = int(of_group.max()) + 1
    shuffled = torch.argsort(keys(seed, epoch, torch.arange(number), "groups"))
    turn = torch.empty_like(shuffled)
    turn[shuffled] = torch.arange(number)  # when each group comes
    order = permutation(len(of_group), seed, epoch)
    return order[torch.argsort(turn[of_group[order]] // window, stable=True)]


class _Epochs:
    """Steps of epochs that are each drawn anew; the one at hand is kept.

    Args:
        groups: How an epoch is cut into steps.
        draw: Epoch -> the order of its examples.
    """

    def __init__(self, groups: _Groups, draw: Callable[[int], Tensor]) -> None:
        self.groups, self.draw = groups, draw
        self._last: tuple[int, Tensor] | None = None

    def __call__(self, step: int) -> tuple[int, Tensor]:
        epoch, position = divmod(step, self.groups.number)
        if self._last is None or self._last[0] != epoch:
            self._last = epoch, self.draw(epoch)
        begin, end = self.groups.bounds(position)
        return epoch, self._last[1][begin:end]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_last": None}  # a worker process draws it again sooner than it would be sent


class _Groups:
    """An epoch of `count` examples cut into groups of `batch`."""

    def __init__(self, count: int, batch: int, parts: int) -> None:
        if batch < 1 or parts < 1 or batch < parts:
            raise UsageError(
                "a step cannot be cut this way", expected="1 <= parts <= batch", got=f"parts {parts}, batch {batch}"
            )
        if count < parts:
            raise DataError("there are too few examples for a step", expected=f"at least {parts}", got=count)
        self.count, self.batch = count, batch
        full, rest = divmod(count, batch)
        self.number = full + (1 if rest >= parts or full == 0 else 0)

    def bounds(self, position: int) -> tuple[int, int]:
        begin = position * self.batch
        return begin, self.count if position == self.number - 1 else begin + self.batch
