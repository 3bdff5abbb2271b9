"""Products of real numbers by way of 8-bit ones: bounds of distances in a fraction of the time."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from chainrule.ops.neighbors._bounds import Bound, Exact, KeptBlocks, Score

STEPS = 126
"""Steps from zero to the largest value of a row."""
SURE = 4.6
"""How many steps times a length an error may have; see `QuantizedPoints`."""
ROWS = 512
"""Rows that are quantized at a time: they stay in the cache."""
FEWEST = 128
"""Numbers of a point from which on its products cost more than all else."""


def quantization_pays(queries: Tensor, points: Tensor) -> bool:
    """Whether 8-bit products are faster for these: long rows of float32, a processor with instructions for them."""
    right = all(given.dtype == torch.float32 and given.device.type == "cpu" for given in (queries, points))
    return right and FEWEST <= points.shape[1] < 2**15 and bool(torch.cpu.get_capabilities().get("avx512_vnni"))


class QuantizedPoints:
    """Points as 8-bit numbers, and by how much the distances that follow from those can be off.

    With x = a - c and y = b - c for a center c, ||a - b||^2 = ||x||^2 - 2 x y + ||y||^2. Let x = s p + e with whole
    numbers p, each rounded up or down by a draw: p = floor(x / s + u), u uniform in [0, 1). The e_i are then
    independent, zero on average, and each in an interval of length s, so that by Hoeffding's inequality
    |e y| > 4.6 s ||y|| has a probability of 2 exp(-2 * 4.6^2) = 8e-19 at most, whatever x and y are. One u serves all
    points and another one all queries: it is each pair that is bounded.

    Args:
        points: float32, (N, D).

    Source:
        LECTURES A2; Hoeffding, "Probability inequalities for sums of bounded random variables", 1963.
    """

    def __init__(self, points: Tensor) -> None:
        # any center is right; a near one makes short rows and small errors
        self.center = points[:: max(1, len(points) // 1024)].double().mean(0).float()
        self.draws = torch.rand(2, points.shape[1], generator=torch.Generator().manual_seed(0))
        self._blocks = KeptBlocks(points, partial(_quantized, center=self.center, draws=self.draws[1]))

    def score(self, queries: Tensor) -> Score:
        """Return what gives bounds of ||y||^2 - 2 x y for a block of points, in no case the distance itself."""
        reach = float((queries - self.center).abs().max())
        numbers, steps, lengths = _quantized(queries, self.center, self.draws[0], reach)
        step, longest = float(steps[0]), float(lengths.max())
        longest_quantized = longest + step * math.sqrt(queries.shape[1])  # each number is off by less than a step
        float32 = torch.finfo(torch.float32)
        tiny = 8 * (queries.shape[1] + 1) * float32.tiny

        def score(start: int, block: Tensor) -> tuple[Tensor, Bound, Exact | None]:
            theirs, their_steps, their_lengths = self._blocks(start, block)
            error = 2 * SURE * (step * their_lengths + their_steps * longest_quantized)
            error += 16 * float32.eps * (longest + their_lengths).square() + tiny  # of differences and sums
            products = torch._int_mm(numbers, theirs.t()).float()
            base, factor = (their_lengths.square() - error).float(), their_steps.float()
            low = torch.addcmul(base, products, factor, value=-2 * step)
            room = (2.01 * error).float()
            return low, lambda value, column: value + room[column], None

        return score


def _quantized(
    points: Tensor, center: Tensor, draws: Tensor, reach: float | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Whole numbers (n, D) int8, the step of each row and its length, float64; `reach` is the largest value of all."""
    numbers = torch.empty(points.shape, dtype=torch.int8)
    steps, lengths = (torch.empty(len(points), dtype=torch.float64) for _ in range(2))
    for start in range(0, len(points), ROWS):
        part = slice(start, start + ROWS)
        row = points[part] - center
        lengths[part] = torch.linalg.vector_norm(row, dim=1, dtype=torch.float64)
        low, high = row.aminmax(dim=1)
        furthest = torch.maximum(-low, high) if reach is None else torch.full_like(low, reach)
        step = furthest.div(STEPS).clamp_min(1e-30)
        steps[part] = step.double()
        numbers[part] = row.div_(step[:, None]).add_(draws).floor_().to(torch.int8)
    return numbers, steps, lengths
