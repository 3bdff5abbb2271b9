"""Squares of distances by way of products: ||a - b||^2 = ||a||^2 - 2 a b + ||b||^2."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.ops.neighbors._bounds import Bound, Exact, Score, rounding, scaled


def float_products(queries: Tensor, points: Tensor, scale: float) -> Score:
    """||b||^2 - 2 a b in float32, which leaves out ||a||^2: off by a share of 2 |b| (|a| + |b|)."""
    given = scaled(queries, scale)
    share = rounding(queries.shape[1])
    longest = float(torch.linalg.vector_norm(given, dim=1).max()) * (1 + share)
    doubled = given.mul(-2).t()
    tiny = 8 * (queries.shape[1] + 1) * torch.finfo(torch.float32).tiny  # what may vanish below the smallest number

    def score(start: int, block: Tensor) -> tuple[Tensor, Bound, Exact | None]:
        theirs = scaled(block, scale)
        lengths = torch.linalg.vector_norm(theirs, dim=1).double()
        squares = lengths.square()
        error = share * 2 * lengths * (longest + lengths) * (1 + share) + tiny
        low = torch.mm(theirs, doubled).add_((squares - error).float()[:, None])  # (b, q): faster than (q, b), or addmm
        room = (2.01 * error).float()
        return low.t(), lambda value, column: value + room[column], None

    return score


def integer_products(queries: Tensor, squares: Tensor) -> Score:
    """The same between integers of 0..255, exact: shifted to -128..127, which leaves distances as they are."""
    given = shifted(queries)
    own = given.int().square_().sum(1).double()

    def score(start: int, block: Tensor) -> tuple[Tensor, Bound, Exact | None]:
        products = torch._int_mm(given, shifted(block).t())
        low = products.mul_(-2).add_(squares[start : start + len(block)])
        return low, lambda value, column: value, lambda value, row: value.double() + own[row]

    return score


def shifted(numbers: Tensor) -> Tensor:
    """x - 128 as int8, in one pass."""
    return numbers.bitwise_xor(128).view(torch.int8)


def integer_products_fit(queries: Tensor, points: Tensor) -> bool:
    """Whether products of 8-bit numbers can be used, and their sums fit into 32 bits.

    With one column `torch._int_mm` is wrong (2.13): it takes the transposed points for points.
    """
    both = queries.dtype == points.dtype == torch.uint8 and queries.device.type == "cpu"
    return both and 2 <= queries.shape[1] < 2**15
