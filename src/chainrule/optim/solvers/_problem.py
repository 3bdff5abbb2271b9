"""The objective of a linear classifier, mean loss + lambda sum W^2, its gradient, and products with its Hessian.

W and b are one matrix theta (K, D + 1), the bias in its last column, in float64. The products with x run in x's own
type, a few rows at a time: each row is read from memory once for the scores and the gradient together, and what the
groups of rows add up is added in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.optim.solvers._curves import Curve, Slope

ROWS = 1024
"""Rows that are worked on at once: few enough to stay in the cache between the two products."""


@dataclass(frozen=True)
class Problem:
    """Examples, right classes and the penalty.

    Args:
        x: Examples, float32 or float64.
        right: Right classes, 0 to `classes` - 1.
        classes: K.
        l2: lambda.
        penalize_bias: Whether lambda sum b^2 is part of it.
    """

    x: Float[Tensor, "n d"]
    right: Int64[Tensor, " n"]
    classes: int
    l2: float
    penalize_bias: bool

    def zeros(self) -> Float64[Tensor, "k d1"]:
        """Where a search starts that knows nothing."""
        return torch.zeros(self.classes, self.x.shape[1] + 1, dtype=torch.float64, device=self.x.device)

    def pull(self) -> Float64[Tensor, " d1"]:
        """lambda of each column."""
        strength = torch.full((self.x.shape[1] + 1,), self.l2, dtype=torch.float64, device=self.x.device)
        if not self.penalize_bias:
            strength[-1] = 0
        return strength

    def penalty(self, theta: Float64[Tensor, "k d1"]) -> float:
        """lambda sum W^2."""
        return (self.pull() * theta.square()).sum().item()

    def groups(self) -> Iterator[tuple[Tensor, Tensor]]:
        """A few rows and their classes at a time."""
        return zip(self.x.split(ROWS), self.right.split(ROWS))

    def slope(self, loss: type[Slope], theta: Float64[Tensor, "k d1"]) -> tuple[float, Float64[Tensor, "k d1"]]:
        """The objective and its gradient."""
        own = theta.to(self.x.dtype)
        total, gradient = 0.0, torch.zeros_like(theta)
        for x, right in self.groups():
            value, slopes = loss.slope(scores(own, x), right)
            total += value
            gradient[:, :-1] += slopes @ x
            gradient[:, -1] += slopes.sum(1)
        gradient /= len(self.x)
        return total / len(self.x) + self.penalty(theta), gradient.addcmul_(self.pull(), theta, value=2)

    def sample(self, rows: Int64[Tensor, " m"]) -> Problem:
        """The same problem on some of the rows; on itself without a copy where they are nearly all."""
        if len(rows) == len(self.x):
            return self
        return Problem(self.x[rows], self.right[rows], self.classes, self.l2, self.penalize_bias)


class Hessian:
    """Second derivatives of a problem's objective at theta, known by their products with a direction.

    Args:
        problem: All examples, or a sample of them.
        curve: The loss.
        theta: Where.
    """

    def __init__(self, problem: Problem, curve: type[Curve], theta: Float64[Tensor, "k d1"]) -> None:
        self.problem, self.curve = problem, curve
        own = theta.to(problem.x.dtype)
        self.curvatures = [curve.curvature(scores(own, x), right) for x, right in problem.groups()]
        self.pull = problem.pull().to(own.dtype)

    def __call__(self, direction: Float[Tensor, "k d1"]) -> Float[Tensor, "k d1"]:
        """H v = mean of (bend of (v x)) x^T + 2 lambda v."""
        product = torch.zeros_like(direction)
        for (x, right), curvature in zip(self.problem.groups(), self.curvatures):
            bent = self.curve.bend(curvature, right, scores(direction, x))
            product[:, :-1].addmm_(bent, x)
            product[:, -1] += bent.sum(1)
        return product.div_(len(self.problem.x)).addcmul_(self.pull, direction, value=2)

    def of_classes(self) -> Float[Tensor, "k k"]:
        """The mean curvature of the loss over the classes: what the Hessian would be with the one feature 1."""
        K, n = self.problem.classes, len(self.problem.x)
        mean = self.pull.new_zeros(K, K)
        for (_, right), curvature in zip(self.problem.groups(), self.curvatures):
            for k in range(K):
                unit = torch.zeros_like(curvature)
                unit[k] = 1
                mean[:, k] += self.curve.bend(curvature, right, unit).sum(1)
        return mean / n


def scores(theta: Float[Tensor, "k d1"], x: Float[Tensor, "b d"]) -> Float[Tensor, "k b"]:
    """W x + b, class by class."""
    return torch.addmm(theta[:, -1:], theta[:, :-1], x.T)


def check_problem(
    solver: str, x: Tensor, targets: Tensor, classes: int | None, l2: float, penalize_bias: bool
) -> Problem:
    """Make a problem of what a solver was given.

    Raises:
        UsageError: Shapes, types or settings do not fit.
        DataError: There are no examples, a class is out of range, or a feature is not finite or huge.
    """
    if x.ndim != 2 or targets.shape != x.shape[:1]:
        raise UsageError(
            f"{solver}: examples and classes do not fit together",
            expected="x (N, D) and classes (N,)",
            got=f"{tuple(x.shape)} and {tuple(targets.shape)}",
        )
    if not x.is_floating_point():
        raise UsageError(f"{solver}: features are real numbers", expected="a floating type", got=x.dtype)
    if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
        raise UsageError(f"{solver}: classes are whole numbers", expected="an integer type", got=targets.dtype)
    if not 0 <= l2 < math.inf:
        raise UsageError(f"{solver}: l2 is a strength", expected="at least 0, finite", got=l2)
    if not x.numel():
        raise DataError(f"{solver}: there is nothing to learn from", expected="examples with features", got=x.shape)
    targets = targets.to(device=x.device, dtype=torch.int64)
    low, high = (int(end) for end in targets.aminmax())
    classes = max(high + 1, 2) if classes is None else classes
    if low < 0 or high >= classes:
        got = low if low < 0 else high
        raise DataError(f"{solver}: a class is out of range", expected=f"0 to {classes - 1}", got=got)
    wide = x.detach() if x.dtype in (torch.float32, torch.float64) else x.detach().float()
    largest = torch.stack([part.abs().max() for part in wide.split(ROWS)]).max().item()  # of NaN it is NaN
    if not math.isfinite(largest):
        raise DataError(f"{solver}: a feature is not finite", remedy="look for NaN and infinity in the examples")
    most = 1e-4 * math.sqrt(torch.finfo(wide.dtype).max)
    if largest > most:
        raise DataError(f"{solver}: squares of features overflow", expected=f"at most {most:.0e}", got=largest)
    return Problem(wide.contiguous(), targets, classes, float(l2), penalize_bias)
