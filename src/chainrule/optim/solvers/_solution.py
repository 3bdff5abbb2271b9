"""What a solver gives back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Iteration:
    """What is known after one iteration (of Newton's method) or one epoch (of minibatches).

    Args:
        objective: Mean loss + lambda sum W^2.
        gradient: The largest absolute value in the objective's gradient; NaN where it was not computed.
        inner: Steps inside: products with the Hessian, or minibatches.
        rows: Examples whose curvature was used, or that were gone through.
        step: How much of the step was taken (the line search halves it), or the last learning rate.
    """

    objective: float
    gradient: float
    inner: int = 0
    rows: int = 0
    step: float = 1.0


@dataclass(frozen=True)
class LinearSolution:
    """A linear classifier f(x) = W x + b, and how it was found.

    Args:
        weights: W, (K, D); a row is the template of a class.
        bias: b, (K,).
        record: From the start on; the last one belongs to `weights` and `bias`.
        reason: Why it stopped: `tolerance` (the gradient is small enough), `iterations` (all were used), or
            `precision` (no step lowers the objective by more than rounding does).

    Example:
        >>> flat = LinearSolution(torch.eye(2), torch.zeros(2), (Iteration(0.5, 0.0),), "tolerance")
        >>> flat.scores(torch.tensor([[3.0, 1.0]])), flat.objective
        (tensor([[3., 1.]]), 0.5)
    """

    weights: Float[Tensor, "k d"]
    bias: Float[Tensor, " k"]
    record: tuple[Iteration, ...]
    reason: str

    @property
    def objective(self) -> float:
        """Of `weights` and `bias`."""
        return self.record[-1].objective

    @property
    def converged(self) -> bool:
        """Whether the gradient became as small as was asked for."""
        return self.reason == "tolerance"

    def scores(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Return f(x) of some examples; the largest score of a row is the predicted class."""
        return torch.nn.functional.linear(x, self.weights.to(x.dtype), self.bias.to(x.dtype))
