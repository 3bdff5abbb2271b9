"""What orders points without being their distance: bounds of it, by block of points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor

Bound = Callable[[Tensor, Tensor], Tensor]
"""(lower bounds, their columns in the block) -> upper bounds."""
Exact = Callable[[Tensor, Tensor], Tensor]
"""(lower bounds, their queries) -> the sums in float64, where bounds are no bounds but the thing itself."""
Score = Callable[[int, Tensor], tuple[Tensor, Bound, Exact | None]]
"""(start of a block, block of points) -> lower bounds of what orders them for each query, (q, b), and the rest."""
KEPT = 2**28
"""So many numbers of 8 bits are kept from search to search; those of more points are computed again for each."""
T = TypeVar("T")


class KeptBlocks(Generic[T]):
    """`(start, block) -> T`, computed once for each block of points, where they are not too many to be kept.

    Args:
        points: All of them, (N, D).
        compute: What is computed of a block.
    """

    def __init__(self, points: Tensor, compute: Callable[[Tensor], T]) -> None:
        self.compute, self.keeps = compute, points.numel() <= KEPT
        self.found: dict[int, T] = {}

    def __call__(self, start: int, block: Tensor) -> T:
        """Return what is computed of the block that begins there."""
        if start in self.found:
            return self.found[start]
        found = self.compute(block)
        if self.keeps:
            self.found[start] = found
        return found


def rounding(size: int) -> float:
    """By what share a sum of so many products is off in float32, at most: 9 sqrt(D) u, and a few roundings more.

    Roundings are as often up as down, so errors grow with the root of D: a sum breaks this with probability
    2 exp(-81 / 2) = 5e-18 (Higham and Mary 2019, theorem 2.4). The bound that nothing breaks, D u, lets far too many
    pass.
    """
    return float(torch.finfo(torch.float32).eps / 2 * (9 * size**0.5 + 8))


def scaled(numbers: Tensor, scale: float) -> Tensor:
    """Return numbers over a scale, in float32."""
    return (numbers.float() if scale == 1 else numbers.double().div(scale).float()).contiguous()
