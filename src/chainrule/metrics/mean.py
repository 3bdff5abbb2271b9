"""The mean of per-example values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.metrics._exact import as_float, exact_sum, ratio


@dataclass(frozen=True)
class Mean:
    """Sum of weighted values / sum of weights, added without rounding: neither order nor grouping shows.

    Args:
        total: Sum of the finite values, exactly, as `exact_sum` counts.
        weight: Sum of their weights, likewise.
        odd: Sum of the values that are not finite; when there are any, it is the result.

    Example:
        >>> import torch
        >>> Mean.of(torch.tensor([1.0, 2.0])).merge(Mean.of(torch.tensor([6.0]))).result()
        3.0
        >>> mean = Mean.of(torch.tensor([1.0, 5.0]), torch.tensor([3.0, 1.0]))
        >>> mean.result(), mean.count
        (2.0, 4.0)
    """

    total: int = 0
    weight: int = 0
    odd: float = 0.0

    @classmethod
    def of(cls, values: Float[Tensor, ...], weights: Float[Tensor, ...] | None = None) -> Mean:
        """Return the tally of some values, each counted with its weight (1 when left out).

        Args:
            values: Any shape.
            weights: The same shape, at least 0 and finite; an item of weight 0 does not count, whatever its value.

        Raises:
            UsageError: The weights have another shape, or one is negative or not finite.
        """
        if weights is not None and weights.shape != values.shape:
            raise UsageError(
                "mean: each value has a weight", expected=f"shape {tuple(values.shape)}", got=tuple(weights.shape)
            )
        numbers = _numbers(values)
        shares = np.ones(numbers.shape) if weights is None else _numbers(weights)
        odd_ones = shares[~(np.isfinite(shares) & (shares >= 0))]
        if odd_ones.size:
            raise UsageError("mean: weights count examples", expected="finite and at least 0", got=float(odd_ones[0]))
        numbers, shares = numbers[shares > 0], shares[shares > 0]
        with np.errstate(over="ignore"):
            products = numbers if weights is None else numbers * shares
        finite = np.isfinite(products)
        with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is the right answer
            odd = 0.0 if finite.all() else float(products[~finite].sum())
        return cls(exact_sum(products[finite]), exact_sum(shares), odd)

    def merge(self, other: Mean) -> Mean:
        """Return the tally of both."""
        return Mean(self.total + other.total, self.weight + other.weight, self.odd + other.odd)

    @property
    def count(self) -> float:
        """How many values there were, each counted with its weight."""
        return as_float(self.weight)

    def result(self) -> float:
        """Return the mean, rounded once; NaN of nothing, and where a value was NaN."""
        if not self.weight:
            return float("nan")
        return self.odd if self.odd != 0 else ratio(self.total, self.weight)


def _numbers(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().double().cpu().numpy().ravel()
