"""The nearest of many points, found by looking at every one."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float64, Int64, Shaped
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.ops._byte_sums import BytePoints, byte_sums_pay
from chainrule.ops._manhattan import byte_manhattan, manhattan
from chainrule.ops._quantized import QuantizedPoints, quantization_pays

QUERIES = 1024
"""Queries at a time."""
POINTS = 5000
"""Points at a time: 20 MB of distances."""
CANDIDATES = 2**21
"""How many are kept before float64 decides between them: 32 MB."""
COARSE = 0.02
"""Share of the first points that coarse bounds may leave in doubt for each query, beyond 4 k of them."""
REFINE_BYTES = 2**22
"""Memory for the differences of candidates: 4 MB stay in the cache."""


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
            block = _shifted(self.points[start : start + 512])
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
                return _integer_sums(queries), False
            if coarse and scale == 1 and byte_sums_pay(queries, points, torch.float32):
                return self.rounded.score(queries), True
            return _sums(queries, points, scale), False
        if _are_small_integers(queries, points):
            return _integer_products(queries, self.squares), False
        if coarse and scale == 1 and quantization_pays(queries, points):
            return self.quantized.score(queries), True
        return _products(queries, points, scale), False

    def _nearest(
        self, queries: Tensor, k: int, distance: str, scale: float, *, coarse: bool = True
    ) -> tuple[Tensor, Tensor]:
        """A chunk of queries. A later point enters only if it can be strictly nearer than the k-th nearest so far."""
        points = self.points
        score, coarse = self._score(queries, distance, scale, coarse=coarse)
        best, kept = None, _Candidates(queries, points, k, distance)
        for start in range(0, len(points), POINTS):
            low, high, exact = score(start, points[start : start + POINTS])
            if best is None or best.shape[1] < k:
                upper = high(low, torch.arange(low.shape[1])[None]).contiguous()
                best = upper if best is None else torch.cat([best, upper], 1)
                best = best.topk(min(k, best.shape[1]), largest=False).values.sort(1).values
                wanted = low <= best[:, -1:] if best.shape[1] == k else torch.ones_like(low, dtype=torch.bool)
                row, column = _places(wanted)
                if coarse and len(row) > len(queries) * (4 * k + COARSE * POINTS):
                    return self._nearest(queries, k, distance, scale, coarse=False)
            else:
                row, column = _places(low < best[:, -1:])
                best = _merged(best, row, high(low[row, column], column))
            kept.add(row, column + start, low[row, column], exact, best[:, -1])
        assert best is not None, "k is at least 1, so there are points"
        return kept.nearest(best[:, -1])


class _Candidates:
    """Pairs of a query and a point that may be among its k nearest; too many are cut down to those that are."""

    def __init__(self, queries: Tensor, points: Tensor, k: int, distance: str) -> None:
        self.given = (queries, points, k, distance)
        self.found: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        self.limit = max(CANDIDATES, 4 * k * len(queries))

    def add(self, row: Tensor, index: Tensor, low: Tensor, exact: Exact | None, furthest: Tensor) -> None:
        """Keep pairs with their lower bounds, and with their distances where those are known already."""
        known = torch.full_like(low, torch.nan, dtype=torch.float64) if exact is None else exact(low, row)
        self.found.append((row, index, low, known))
        if sum(len(row) for row, *_ in self.found) > self.limit:
            self.found = [self._best(furthest)]

    def nearest(self, furthest: Tensor) -> tuple[Tensor, Tensor]:
        """Distances and positions, (q, k)."""
        _, index, _, exact = self._best(furthest)
        queries, _, k, distance = self.given
        near = exact.reshape(len(queries), k)
        return near if distance == "l1" else near.sqrt(), index.reshape(len(queries), k)

    def _apart(self, row: Tensor, index: Tensor) -> Tensor:
        """Sums of differences or of their squares, in float64."""
        queries, points, _, distance = self.given
        exact = torch.empty(len(row), dtype=torch.float64)
        group = max(1, REFINE_BYTES // (16 * queries.shape[1] + 1))
        for start in range(0, len(row), group):
            part = slice(start, start + group)
            apart = queries[row[part]].double().sub_(points[index[part]])
            exact[part] = apart.abs_().sum(1) if distance == "l1" else apart.square_().sum(1)
        return exact

    def _best(self, furthest: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """By query, then distance, then position; at most k of each query, none surely behind its k-th nearest."""
        queries, _, k, _ = self.given
        row, index, low, exact = (torch.cat(columns) for columns in zip(*self.found))
        near = low <= furthest[row]
        row, index, low, exact = row[near], index[near], low[near], exact[near]
        unknown = exact.isnan().nonzero().squeeze(1)
        exact[unknown] = self._apart(row[unknown], index[unknown])
        order = index.argsort(stable=True)
        order = order[exact[order].argsort(stable=True)]
        order = order[row[order].argsort(stable=True)]
        counts = torch.bincount(row, minlength=len(queries))
        place = torch.arange(len(row)) - (counts.cumsum(0) - counts)[row[order]]
        order = order[place < k]
        return row[order], index[order], low[order], exact[order]


def _places(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of what is true, by row, whichever way the mask lies in memory."""
    if mask.is_contiguous():
        row, column = mask.nonzero(as_tuple=True)
        return row, column
    column, row = mask.t().nonzero(as_tuple=True)
    order = row.argsort(stable=True)
    return row[order], column[order]


def _merged(best: Tensor, row: Tensor, values: Tensor) -> Tensor:
    """The k smallest bounds of each query, with the new ones, which come by row."""
    if not len(row):
        return best
    counts = torch.bincount(row, minlength=len(best))
    place = torch.arange(len(row)) - (counts.cumsum(0) - counts)[row]
    worst = torch.finfo(best.dtype).max if best.is_floating_point() else torch.iinfo(best.dtype).max
    new = torch.full((len(best), int(counts.max())), worst, dtype=best.dtype)
    new[row, place] = values
    return torch.cat([best, new], 1).topk(best.shape[1], largest=False).values.sort(1).values


Bound = Callable[[Tensor, Tensor], Tensor]
"""(lower bounds, their columns in the block) -> upper bounds."""
Exact = Callable[[Tensor, Tensor], Tensor]
"""(lower bounds, their queries) -> the sums in float64, where bounds are no bounds but the thing itself."""
Score = Callable[[int, Tensor], tuple[Tensor, Bound, Exact | None]]
"""(start of a block, block of points) -> lower bounds of what orders them for each query, (q, b), and the rest."""


def _products(queries: Tensor, points: Tensor, scale: float) -> Score:
    """||b||^2 - 2 a b in float32, which leaves out ||a||^2: off by a share of 2 |b| (|a| + |b|)."""
    given = _scaled(queries, scale)
    share = _rounding(queries.shape[1])
    longest = float(torch.linalg.vector_norm(given, dim=1).max()) * (1 + share)
    doubled = given.mul(-2).t()
    tiny = 8 * (queries.shape[1] + 1) * torch.finfo(torch.float32).tiny  # what may vanish below the smallest number

    def score(start: int, block: Tensor) -> tuple[Tensor, Bound, Exact | None]:
        scaled = _scaled(block, scale)
        lengths = torch.linalg.vector_norm(scaled, dim=1).double()
        squares = lengths.square()
        error = share * 2 * lengths * (longest + lengths) * (1 + share) + tiny
        low = torch.mm(scaled, doubled).add_((squares - error).float()[:, None])  # (b, q): faster than (q, b), or addmm
        room = (2.01 * error).float()
        return low.t(), lambda value, column: value + room[column], None

    return score


def _integer_products(queries: Tensor, squares: Tensor) -> Score:
    """The same between integers of 0..255, exact: shifted to -128..127, which leaves distances as they are."""
    given = _shifted(queries)
    own = given.int().square_().sum(1).double()

    def score(start: int, block: Tensor) -> tuple[Tensor, Bound, Exact | None]:
        products = torch._int_mm(given, _shifted(block).t())
        low = products.mul_(-2).add_(squares[start : start + len(block)])
        return low, lambda value, column: value, lambda value, row: value.double() + own[row]

    return score


def _shifted(numbers: Tensor) -> Tensor:
    """x - 128 as int8, in one pass."""
    return numbers.bitwise_xor(128).view(torch.int8)


def _integer_sums(queries: Tensor) -> Score:
    """Sums of absolute differences between 8-bit numbers, exact."""

    def score(start: int, block: Tensor) -> tuple[Tensor, Bound, Exact | None]:
        sums = byte_manhattan(queries, block)
        return sums, lambda value, column: value, lambda value, row: value.double()

    return score


def _sums(queries: Tensor, points: Tensor, scale: float) -> Score:
    """Sums of D absolute differences in float32, off by a share of the sum; exact between 8-bit numbers."""
    exact = queries.dtype == points.dtype == torch.uint8 and queries.shape[1] <= 2**16
    given = _scaled(queries, scale)
    share = 0.0 if exact else _rounding(queries.shape[1])
    tiny = 8 * (queries.shape[1] + 1) * torch.finfo(torch.float32).tiny
    rounded = queries.dtype == torch.float64 or points.dtype == torch.float64 or scale != 1
    largest = float(given.abs().max()) if rounded else 0.0

    def score(start: int, block: Tensor) -> tuple[Tensor, Bound, Exact | None]:
        scaled = _scaled(block, scale)
        sums = manhattan(given, scaled)
        if exact:
            return sums, lambda value, column: value, lambda value, row: value.double()
        room = share * (largest + float(scaled.abs().max())) + tiny if rounded else 0.0
        return sums.mul_(1 - share).sub_(room), lambda value, column: value * (1 + 2.01 * share) + 2.01 * room, None

    return score


def _rounding(size: int) -> float:
    """By what share a sum of so many products is off in float32, at most: 9 sqrt(D) u, and a few roundings more.

    Roundings are as often up as down, so errors grow with the root of D: a sum breaks this with probability
    2 exp(-81 / 2) = 5e-18 (Higham and Mary 2019, theorem 2.4). The bound that nothing breaks, D u, lets far too many
    pass.
    """
    return float(torch.finfo(torch.float32).eps / 2 * (9 * size**0.5 + 8))


def _scaled(numbers: Tensor, scale: float) -> Tensor:
    return (numbers.float() if scale == 1 else numbers.double().div(scale).float()).contiguous()


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


def _are_small_integers(queries: Tensor, points: Tensor) -> bool:
    """Whether products of 8-bit numbers can be used, and their sums fit into 32 bits.

    With one column `torch._int_mm` is wrong (2.13): it takes the transposed points for points.
    """
    both = queries.dtype == points.dtype == torch.uint8 and queries.device.type == "cpu"
    return both and 2 <= queries.shape[1] < 2**15


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
