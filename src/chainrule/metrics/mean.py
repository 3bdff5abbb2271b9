"""The mean of per-example values."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Mean:
    """Sum and number of values; summed in float64, so the size of the groups does not show.

    Example:
        >>> import torch
        >>> Mean.of(torch.tensor([1.0, 2.0])).merge(Mean.of(torch.tensor([6.0]))).result()
        3.0
    """

    total: float = 0.0
    count: float = 0.0

    @classmethod
    def of(cls, values: Float[Tensor, ...], weights: Float[Tensor, ...] | None = None) -> Mean:
        """Return the tally of some values, each counted with its weight (1 when left out)."""
        if weights is None:
            return cls(float(values.double().sum()), float(values.numel()))
        return cls(float((values.double() * weights).sum()), float(weights.double().sum()))

    def merge(self, other: Mean) -> Mean:
        """Return the tally of both."""
        return Mean(self.total + other.total, self.count + other.count)

    def result(self) -> float:
        """Return the mean; NaN of nothing."""
        return self.total / self.count if self.count else float("nan")
