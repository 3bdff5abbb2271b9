"""The nearest of many points, found by looking at every one."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float64, Int64, Shaped
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.ops.neighbors._bounds import Score
from chainrule.ops.neighbors._byte_sums import BytePoints, byte_sums_pay
from chainrule.ops.neighbors._candidates import Candidates, merged, places_of
from chainrule.ops.neighbors._products import float_products, integer_products, integer_products_fit, shifted
from chainrule.ops.neighbors._quantized import QuantizedPoints, quantization_pays
from chainrule.ops.neighbors._sums import float_sums, integer_sums

QUERIES = 1024
"""Queries at a time."""
POINTS = 5000
"""Points at a time: 20 MB of distances."""
COARSE = 0.02
"""Share of the first points that coarse bounds may leave in doubt for each query, beyond 4 k of them."""


def nearest(
    queries: Shaped[Tensor, "q d"], points: Shaped[Tensor, "n d"], k: int, *, distance: Literal["l2", "l1"] = "l2"
) -> tuple[Float64[Tensor, "q k"], Int64[Tensor, "q k"]]:
    """Return the k nearest points of each query, the nearest first; of equally near ones the first comes first.

    l2: d(a, b) = sqrt(sum_i (a_i - b_i)^2); l1: d(a, b) = sum_i |a_i - b_i|. No point is left out: fast arithmetic
    finds all that can be among the k nearest in spite of its rounding, and float64 decides between those. Between 8-bit
    numbers the fast arithmetic is one of integers and exact itself.

    Args:
        queries: uint8 or floating.
        points: uint8 or floating.
        k: At most the number of points.
        distance: "l2" or "l1".

    Returns:
        Distances and positions in `points`. Beyond its arguments it takes less than 500 MB.

    Raises:
        UsageError: Too many or too few are asked for, another distance, or points of other sizes or types.
        DataError: A value is not finite.

    Example:
        >>> points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
        >>> distances, index = nearest(torch.zeros(1, 2), points, 2)
        >>> distances.tolist(), index.tolist()
        ([[0.0, 1.0]], [[0, 2]])

    Source:
        LECTURES A2. Squares without the differences: ||a - b||^2 = ||a||^2 - 2 a b + ||b||^2, one matrix product.
    """
    return Points(points).nearest(queries, k, distance=distance)


class Points:
    """Points that are searched again and again: what depends on them alone is computed once.

    Args:
        points: uint8 or floating, (N, D).

    Raises:
        UsageError: Another type or shape.
        DataError: A value is not finite.

    Example:
        >>> Points(torch.tensor([[0.0], [5.0]])).nearest(torch.tensor([[4.0]]), 1)[1].tolist()
        [[1]]
    """

    def __init__(self, points: Shaped[Tensor, "n d"]) -> None:
        _check("points", points)
        self.points, self.largest = points, _largest(points)

    def nearest(
        self, queries: Shaped[Tensor, "q d"], k: int, *, distance: Literal["l2", "l1"] = "l2"
    ) -> tuple[Float64[Tensor, "q k"], Int64[Tensor, "q k"]]:
        """Return the k nearest points of each query; see `nearest`."""
        _check("queries", queries)
        _check_search(queries, self.points, k, distance)
        largest = max(self.largest, _largest(queries))
        scale = 1.0 if largest == 0 or 1e-12 < largest < 1e12 else largest  # or squares would overflow or vanish
        if not len(queries):
            return torch.zeros(0, k, dtype=torch.float64), torch.zeros(0, k, dtype=torch.int64)
        found = [self._nearest(chunk, k, distance, scale) for chunk in queries.split(QUERIES)]
        return torch.cat([near for near, _ in found]), torch.cat([index for _, index in found])

    @cached_property
    def squares(self) -> Tensor:
        """||b - 128||^2 of points of 8 bits, int32."""
        found = torch.empty(len(self.points), dtype=torch.int32)
        for start in range(0, len(found), 512):  # into one place: small results between large ones would hold memory
            block = shifted(self.points[start : start + 512])
            torch.sum(block.int().square_(), 1, dtype=torch.int32, out=found[start : start + 512])
        return found

    @cached_property
    def quantized(self) -> QuantizedPoints:
        """The points as 8-bit numbers, for products of float32."""
        return QuantizedPoints(self.points)

    @cached_property
    def rounded(self) -> BytePoints:
        """The points as 8-bit numbers, for sums of differences of float32."""
        return BytePoints(self.points)

    def _score(self, queries: Tensor, distance: str, scale: float, *, coarse: bool) -> tuple[Score, bool]:
        """The fastest score for these, and whether its bounds are coarse; such are left out if they are not wanted."""
        points = self.points
        if distance == "l1":
            if byte_sums_pay(queries, points, torch.uint8):
                return integer_sums(queries), False
            if coarse and scale == 1 and byte_sums_pay(queries, points, torch.float32):
                return self.rounded.score(queries), True
            return float_sums(queries, points, scale), False
        if integer_products_fit(queries, points):
            return integer_products(queries, self.squares), False
        if coarse and scale == 1 and quantization_pays(queries, points):
            return self.quantized.score(queries), True
        return float_products(queries, points, scale), False

    def _nearest(
        self, queries: Tensor, k: int, distance: str, scale: float, *, coarse: bool = True
    ) -> tuple[Tensor, Tensor]:
        """A chunk of queries. A later point enters only if it can be strictly nearer than the k-th nearest so far."""
        points = self.points
        score, coarse = self._score(queries, distance, scale, coarse=coarse)
        best, kept = None, Candidates(queries, points, k, distance)
        for start in range(0, len(points), POINTS):
            low, high, exact = score(start, points[start : start + POINTS])
            if best is None or best.shape[1] < k:
                upper = high(low, torch.arange(low.shape[1])[None]).contiguous()
                best = upper if best is None else torch.cat([best, upper], 1)
                best = best.topk(min(k, best.shape[1]), largest=False).values.sort(1).values
                wanted = low <= best[:, -1:] if best.shape[1] == k else torch.ones_like(low, dtype=torch.bool)
                row, column = places_of(wanted)
                if coarse and len(row) > len(queries) * (4 * k + COARSE * POINTS):
                    return self._nearest(queries, k, distance, scale, coarse=False)
            else:
                row, column = places_of(low < best[:, -1:])
                best = merged(best, row, high(low[row, column], column))
            kept.add(row, column + start, low[row, column], exact, best[:, -1])
        assert best is not None, "k is at least 1, so there are points"
        return kept.nearest(best[:, -1])


def _largest(numbers: Tensor) -> float:
    """The largest absolute value.

    Raises:
        DataError: A value is not finite.
    """
    if not numbers.numel():
        return 0.0
    low, high = (float(end) for end in numbers.aminmax())  # NaN is passed on
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError("nearest: a query or a point has a value that is not finite")
    return max(-low, high)


def _check(name: str, numbers: Tensor) -> None:
    if numbers.ndim != 2 or (numbers.dtype != torch.uint8 and not numbers.is_floating_point()):
        raise UsageError(
            f"nearest: {name} are rows of numbers",
            expected="two axes, uint8 or floating",
            got=f"{tuple(numbers.shape)}, {numbers.dtype}",
        )


def _check_search(queries: Tensor, points: Tensor, k: int, distance: str) -> None:
    if distance not in ("l1", "l2"):
        raise UsageError("nearest: there are two distances", expected="l1 or l2", got=distance)
    if queries.shape[1] != points.shape[1]:
        raise UsageError(
            "nearest: queries and points do not fit together",
            expected=f"{points.shape[1]} numbers each",
            got=queries.shape[1],
        )
    if not 1 <= k <= len(points):
        raise UsageError("nearest: k is how many points are asked for", expected=f"1 to {len(points)}", got=k)
