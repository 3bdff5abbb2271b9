"""Sums of absolute differences in float32, and exact ones between 8-bit numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.ops.neighbors._bounds import Bound, Exact, Score, rounding, scaled
from chainrule.ops.neighbors._manhattan import byte_manhattan, manhattan


def integer_sums(queries: Tensor) -> Score:
    """Sums of absolute differences between 8-bit numbers, exact."""

    def score(start: int, block: Tensor) -> tuple[Tensor, Bound, Exact | None]:
        sums = byte_manhattan(queries, block)
        return sums, lambda value, column: value, lambda value, row: value.double()

    return score


def float_sums(queries: Tensor, points: Tensor, scale: float) -> Score:
    """Sums of D absolute differences in float32, off by a share of the sum; exact between 8-bit numbers."""
    exact = queries.dtype == points.dtype == torch.uint8 and queries.shape[1] <= 2**16
    given = scaled(queries, scale)
    share = 0.0 if exact else rounding(queries.shape[1])
    tiny = 8 * (queries.shape[1] + 1) * torch.finfo(torch.float32).tiny
    rounded = queries.dtype == torch.float64 or points.dtype == torch.float64 or scale != 1
    largest = float(given.abs().max()) if rounded else 0.0

    def score(start: int, block: Tensor) -> tuple[Tensor, Bound, Exact | None]:
        theirs = scaled(block, scale)
        sums = manhattan(given, theirs)
        if exact:
            return sums, lambda value, column: value, lambda value, row: value.double()
        room = share * (largest + float(theirs.abs().max())) + tiny if rounded else 0.0
        return sums.mul_(1 - share).sub_(room), lambda value, column: value * (1 + 2.01 * share) + 2.01 * room, None

    return score
