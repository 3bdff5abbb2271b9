"""Sums of absolute differences of real numbers by way of 8-bit ones: bounds of distances in a fraction of the time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from chainrule.ops import _manhattan

LEVELS = 255
"""Steps from the least to the largest value."""
ROWS = 512
"""Rows that are rounded at a time: they stay in the cache."""
FEWEST = 32
"""Numbers of a point from which on rounding pays."""
KEPT = 2**28
"""So many rounded numbers are kept from search to search; those of more points are made again for each."""
Bounds = tuple[Tensor, Callable[[Tensor, Tensor], Tensor], None]
"""Lower bounds (q, b), what makes upper ones of them, and that none of them is exact."""


def byte_sums_pay(queries: Tensor, points: Tensor, kind: torch.dtype) -> bool:
    """Whether sums of 8-bit numbers can be taken of these, which are to be of a kind, and are faster.

    Rows are short enough for 32 bits and, where they are to be rounded, long enough to be worth it; there is numba.
    """
    right = all(given.dtype == kind and given.device.type == "cpu" for given in (queries, points))
    least = 1 if kind == torch.uint8 else FEWEST
    return right and least <= points.shape[1] < 2**15 and _manhattan.has_fast()


class BytePoints:
    """Points as numbers of 0 to 255, and by how much each is off.

    With x = low + s p + e and y = low + s q + f, p and q whole, the sum of |x - y| differs from s sum |p - q| by the
    sums of |e| and of |f| at most. Both are computed for each row, so that the bound holds whatever stands there.

    Args:
        points: float32, (N, D).

    Source:
        LECTURES A2, L1 distance.
    """

    def __init__(self, points: Tensor) -> None:
        self.points = points
        low, high = (float(end) for end in points.aminmax())
        self.low, self.step = low, max((high - low) / LEVELS, 1e-30)
        self._blocks: dict[int, tuple[Tensor, Tensor]] = {}

    def score(self, queries: Tensor) -> Callable[[int, Tensor], Bounds]:
        """Return what gives bounds of the sums for a block of points, as a `_nearest.Score`."""
        numbers, errors = self._rounded(queries)
        most = float(errors.max())
        reach = max(abs(self.low), abs(self.low + LEVELS * self.step), float(queries.abs().max()))
        slack = 8 * torch.finfo(torch.float32).eps * queries.shape[1] * reach  # of what float32 adds and multiplies

        def score(start: int, block: Tensor) -> Bounds:
            theirs, their_errors = self._block(start, block)
            error = their_errors + slack
            low = _manhattan.byte_manhattan(numbers, theirs).float().mul_(self.step)
            low.sub_(errors.float()[:, None]).sub_(error.float())
            room = (2.01 * (error + most)).float()
            return low, lambda value, column: value + room[column], None

        return score

    def _block(self, start: int, block: Tensor) -> tuple[Tensor, Tensor]:
        if start in self._blocks:
            return self._blocks[start]
        found = self._rounded(block)
        if self.points.numel() <= KEPT:
            self._blocks[start] = found
        return found

    def _rounded(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Whole numbers (n, D) uint8, and the sum of what each row is off by, float64."""
        numbers = torch.empty(rows.shape, dtype=torch.uint8)
        errors = torch.empty(len(rows), dtype=torch.float64)
        for start in range(0, len(rows), ROWS):
            part = slice(start, start + ROWS)
            given = rows[part]
            level = given.sub(self.low).div_(self.step).round_().clamp_(0, LEVELS)
            numbers[part] = level.to(torch.uint8)
            errors[part] = level.mul_(self.step).add_(self.low).sub_(given).abs_().sum(1, dtype=torch.float64)
        return numbers, errors
