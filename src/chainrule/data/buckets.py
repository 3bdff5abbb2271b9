"""Which examples a step takes where they are of different lengths: those of like length together."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.runtime.rng import keys


class Buckets:
    """Groups of examples of like length, in shuffled order; every example exactly once an epoch.

    The examples, sorted by length, are cut into buckets of `pool` groups each. In every epoch the examples of a bucket
    are dealt anew to its groups, those of equal length change buckets too, and all groups are shuffled. Where buckets
    end depends on the lengths alone, so each epoch has equally many steps and any of them can be found by its number.

    A group of fewer examples than `parts` joins another one, because each part of a step must have something to
    compute.

    Args:
        lengths: Of each example.
        batch: Examples in a group; give either this or tokens.
        tokens: Places in a group, padding included: examples times the longest of them.
        seed: Of the shuffling; the order of epoch e is a function of (seed, e) alone.
        parts: Pieces into which a step is cut.
        pool: Groups among which the examples of a bucket are shuffled. 1: the least padding, and nearly the same
            examples always together; as many as there are groups: no buckets at all.

    Raises:
        DataError: There are no examples, fewer than parts, or so long ones that a group has no room for `parts` of
            them.
        UsageError: Both or none of batch and tokens, or values out of range.

    Example:
        >>> order = Buckets(torch.tensor([9, 2, 8, 1]), batch=2, pool=1)
        >>> order.per_epoch, sorted(sorted(order(step)[1].tolist()) for step in range(2)), order(2)[0]
        (2, [[0, 2], [1, 3]], 1)

    Source:
        LECTURES B1, G6. Batches by tokens: Vaswani et al. 2017, 5.1.
    """

    def __init__(
        self,
        lengths: Int64[Tensor, " n"],
        *,
        batch: int | None = None,
        tokens: int | None = None,
        seed: int = 0,
        parts: int = 1,
        pool: int = 4,
    ) -> None:
        _check(len(lengths), batch, tokens, parts, pool)
        self.lengths, self.seed, self.parts = lengths, seed, parts
        cuts = _cuts(lengths.sort(descending=True).values, batch, tokens, parts, pool)  # ranks at which buckets end
        self._cuts, sizes = torch.tensor([end for end, _ in cuts]), [size for _, sizes in cuts for size in sizes]
        self._ends = torch.tensor(sizes).cumsum(0)
        self._last: tuple[int, Tensor, Tensor] | None = None

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return len(self._ends)

    def __call__(self, step: int) -> tuple[int, Int64[Tensor, " b"]]:
        """Return the epoch of a step and the indices of its examples."""
        epoch, position = divmod(step, self.per_epoch)
        if self._last is None or self._last[0] != epoch:
            self._last = epoch, self._dealt(epoch), self._drawn(self.per_epoch, epoch, "groups")
        _, order, groups = self._last
        group = int(groups[position])
        begin = int(self._ends[group - 1]) if group else 0
        return epoch, order[begin : int(self._ends[group])]

    def _dealt(self, epoch: int) -> Tensor:
        """All examples of an epoch, group after group."""
        count = len(self.lengths)
        drawn = self._drawn(count, epoch, "order")
        longest_first = torch.argsort(self.lengths[drawn], stable=True, descending=True)
        ranked = drawn[longest_first]  # those of equal length as they were drawn
        bucket = torch.bucketize(torch.arange(count), self._cuts, right=True)
        dealt = self._drawn(count, epoch, "buckets")
        return ranked[dealt[torch.argsort(bucket[dealt], stable=True)]]

    def _drawn(self, count: int, epoch: int, what: str) -> Tensor:
        return torch.argsort(keys(self.seed, epoch, torch.arange(count), what))

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_last": None}  # a worker process draws it again sooner than it would be sent


def _check(count: int, batch: int | None, tokens: int | None, parts: int, pool: int) -> None:
    if (batch is None) == (tokens is None):
        raise UsageError("groups are made by the number of examples or of tokens", expected="either batch or tokens")
    size = batch if batch is not None else tokens
    if size is None or size < parts or parts < 1 or pool < 1:
        name = "tokens" if batch is None else "batch"
        raise UsageError(
            "a step cannot be cut this way",
            expected=f"1 <= parts <= {name}, and pool at least 1",
            got=f"parts {parts}, {name} {size}, pool {pool}",
        )
    if count < parts:
        raise DataError("there are too few examples for a step", expected=f"at least {parts}", got=count)


def _cuts(ranked: Tensor, batch: int | None, tokens: int | None, parts: int, pool: int) -> list[tuple[int, list[int]]]:
    """Where each bucket of the lengths, the longest first, ends, and the sizes of its groups."""
    lengths, found, begin = ranked.tolist(), [], 0
    while begin < len(lengths):
        longest = max(1, lengths[begin])
        size = tokens // longest if tokens is not None else batch or 1
        if size < parts:
            raise DataError(
                "a step has no room for its longest examples",
                expected=f"at least {parts * longest:,} tokens for {parts} of {longest:,}",
                got=f"{tokens:,} tokens",
                remedy="more tokens a step, fewer parts, or shorter examples",
            )
        end = min(begin + size * pool, len(lengths))
        if len(lengths) - end < parts:  # too few for a group of their own
            end = len(lengths)
        number = max(1, min(-(-(end - begin) // size), (end - begin) // parts))
        less, more = divmod(end - begin, number)
        found.append((end, [less + (place < more) for place in range(number)]))
        begin = end
    return found
