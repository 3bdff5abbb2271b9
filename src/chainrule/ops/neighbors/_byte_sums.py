"""Sums of absolute differences of real numbers by way of 8-bit ones: bounds of distances in a fraction of the time."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from chainrule.ops.neighbors import _manhattan
from chainrule.ops.neighbors._bounds import Bound, Exact, KeptBlocks, Score

LEVELS = 255
"""Steps from the least to the largest value."""
ROWS = 512
"""Rows that are rounded at a time: they stay in the cache."""
FEWEST = 32
"""Numbers of a point from which on rounding pays."""


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
        low, high = (float(end) for end in points.aminmax())
        self.low, self.step = low, max((high - low) / LEVELS, 1e-30)
        self._blocks = KeptBlocks(points, partial(_rounded, low=self.low, step=self.step))

    def score(self, queries: Tensor) -> Score:
        """Return what gives bounds of the sums for a block of points, in no case the sums themselves."""
        numbers, errors = _rounded(queries, self.low, self.step)
        most = float(errors.max())
        reach = max(abs(self.low), abs(self.low + LEVELS * self.step), float(queries.abs().max()))
        slack = 8 * torch.finfo(torch.float32).eps * queries.shape[1] * reach  # of what float32 adds and multiplies

        def score(start: int, block: Tensor) -> tuple[Tensor, Bound, Exact | None]:
            theirs, their_errors = self._blocks(start, block)
            error = their_errors + slack
            low = _manhattan.byte_manhattan(numbers, theirs).float().mul_(self.step)
            low.sub_(errors.float()[:, None]).sub_(error.float())
            room = (2.01 * (error + most)).float()
            return low, lambda value, column: value + room[column], None

        return score


def _rounded(rows: Tensor, low: float, step: float) -> tuple[Tensor, Tensor]:
    """Whole numbers (n, D) uint8, and the sum of what each row is off by, float64."""
    numbers = torch.empty(rows.shape, dtype=torch.uint8)
    errors = torch.empty(len(rows), dtype=torch.float64)
    for start in range(0, len(rows), ROWS):
        part = slice(start, start + ROWS)
        given = rows[part]
        level = given.sub(low).div_(step).round_().clamp_(0, LEVELS)
        numbers[part] = level.to(torch.uint8)
        errors[part] = level.mul_(step).add_(low).sub_(given).abs_().sum(1, dtype=torch.float64)
    return numbers, errors
