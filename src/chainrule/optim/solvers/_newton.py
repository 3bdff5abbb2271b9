"""Newton's method for linear classifiers."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from chainrule.core.errors import NonFiniteError, UsageError
from chainrule.optim.solvers._conjugate import MOST_FEATURES, MOST_ROWS, Kronecker, conjugate_gradients
from chainrule.optim.solvers._curves import CURVES, Curve, known_loss
from chainrule.optim.solvers._problem import Hessian, Problem, check_problem
from chainrule.optim.solvers._solution import Iteration, LinearSolution

ENOUGH = 1e-4
"""The share of the decrease promised by the slope that a step must bring (Armijo)."""
FLATTER = 0.5
"""To which share a step must lower the gradient where rounding hides what it does to the objective."""
HALVINGS = 25
"""Most halvings of a step."""
TRUSTED = 0.5
"""A sample whose curvature promised twice the decrease that came is too small."""


def newton_cg(
    x: Float[Tensor, "n d"],
    targets: Int[Tensor, " n"],
    *,
    classes: int | None = None,
    loss: Literal["softmax", "squared_hinge"] = "softmax",
    l2: float = 1e-4,
    penalize_bias: bool = False,
    tolerance: float = 1e-4,
    iterations: int = 100,
    hessian_rows: int | None = None,
    cg_iterations: int = 30,
    cg_tolerance: float = 0.1,
    start: LinearSolution | None = None,
    generator: torch.Generator | None = None,
) -> LinearSolution:
    """Minimize mean loss + lambda sum W^2 over f(x) = W x + b by Newton's method.

    Each iteration solves H v = -g about, by conjugate gradients, and goes as far along v as lowers the objective
    (all of it, or half, or a quarter ...). g is the gradient over all examples. H is taken over a sample of them, which
    is doubled when its promise and what came of it differ, up to all: so a few passes over the data come near the
    minimum, and the last iterations are exact. The Kronecker product of the features' and the classes' curvature
    preconditions.

    Args:
        x: Examples, any floating type; of 16 bits they are copied to float32. Sums over examples, the weights and the
            objective are kept in float64.
        targets: Right classes, 0 to K - 1.
        classes: K; without it, the largest class + 1, at least 2.
        loss: `softmax` (A5), or `squared_hinge`: sum over j != y of max(0, s_j - s_y + 1)^2, the SVM loss that has a
            second derivative.
        l2: lambda, at least 0. scikit-learn's `LogisticRegression(C)` has the same minimum for C = 1 / (2 lambda N).
        penalize_bias: Whether lambda sum b^2 is added.
        tolerance: Stop when no element of the gradient is larger. LogisticRegression's `tol` means the same.
        iterations: Most iterations; with 0 the start is evaluated.
        hessian_rows: Examples in the first sample; N uses all from the start. Without it the larger of 4,096 and 12 D.
        cg_iterations: Most products with the Hessian in an iteration.
        cg_tolerance: To which share of the gradient H v = -g is solved.
        start: Where to begin; without it at zero.
        generator: Draws the sample; without it one with seed 0.

    Returns:
        Weights and bias in x's type (float32 at least), and the record of all iterations.

    Raises:
        UsageError: Shapes, types or settings do not fit.
        DataError: No examples, a class out of range, or a feature that is not finite.
        NonFiniteError: The objective overflows at the start.

    Example:
        >>> x, y = torch.tensor([[-1.0], [0.0], [1.0], [2.0]]), torch.tensor([0, 1, 0, 1])
        >>> found = newton_cg(x, y, l2=0.1)
        >>> found.reason, round(found.objective, 4), [round(w, 3) for w in found.weights[:, 0].tolist()]
        ('tolerance', 0.6155, [-0.318, 0.318])

    Source:
        LECTURES A4-A6, B8; Martens 2010; Byrd et al. 2011 (sampled Hessians); Martens and Grosse 2015.

    Departures:
        The lectures' theta -= lr H^{-1} g forms and inverts H; here only products with it are formed.
    """
    problem = check_problem("newton_cg", x, targets, classes, l2, penalize_bias)
    for name, value, least in (
        ("iterations", iterations, 0),
        ("cg_iterations", cg_iterations, 1),
        ("hessian_rows", 1 if hessian_rows is None else hessian_rows, 1),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UsageError(f"newton_cg: wrong {name}", expected=f"a whole number, at least {least}", got=value)
    for name, share in (("tolerance", tolerance), ("cg_tolerance", cg_tolerance)):
        if not 0 <= share < math.inf:
            raise UsageError(f"newton_cg: wrong {name}", expected="at least 0, finite", got=share)
    rows = max(4096, 12 * problem.x.shape[1]) if hessian_rows is None else hessian_rows
    with torch.no_grad():
        search = _Search(problem, known_loss("newton_cg", loss, CURVES), rows, generator)
        search.begin(_theta(problem, start))
        reason = search.run(iterations, tolerance, cg_iterations, cg_tolerance)
    weights = search.theta.to(problem.x.dtype)
    return LinearSolution(weights[:, :-1].contiguous(), weights[:, -1].contiguous(), tuple(search.record), reason)


def _theta(problem: Problem, start: LinearSolution | None) -> Float64[Tensor, "k d1"]:
    """The weights at the start."""
    theta = problem.zeros()
    if start is not None:
        shape = (*start.weights.shape[:1], start.weights.shape[1] + 1)
        if shape != theta.shape or start.bias.shape != shape[:1]:
            expected = f"weights ({theta.shape[0]}, {theta.shape[1] - 1}) and as many biases"
            raise UsageError("newton_cg: the start does not fit", expected=expected, got=tuple(start.weights.shape))
        theta[:, :-1], theta[:, -1] = start.weights, start.bias
    return theta


class _Search:
    """Where a search stands: theta, the objective and the gradient there, and the sample of the Hessian."""

    def __init__(self, problem: Problem, curve: type[Curve], rows: int, generator: torch.Generator | None) -> None:
        self.problem, self.curve, N = problem, curve, len(problem.x)
        generator = generator or torch.Generator().manual_seed(0)
        self.order = torch.randperm(N, generator=generator).to(problem.x.device)
        self.sample = problem
        self.resize(rows)
        few = problem.x.shape[1] < MOST_FEATURES
        self.kronecker = Kronecker(problem.x[self.order[:MOST_ROWS]], problem.l2) if few else None

    def resize(self, rows: int) -> None:
        """Take this many examples for the Hessian; all of them, and no copy, where it would be most of them."""
        N = len(self.problem.x)
        self.sample = self.problem.sample(self.order[: rows if rows <= 0.6 * N else N])

    def begin(self, theta: Float64[Tensor, "k d1"]) -> None:
        """Go to theta."""
        self.theta = theta
        self.objective, self.gradient = self.problem.slope(self.curve, theta)
        if not math.isfinite(self.objective) or not bool(self.gradient.isfinite().all()):
            raise NonFiniteError(
                "newton_cg: the objective is not finite at the start",
                got=self.objective,
                remedy="bring the features to about -1 to 1, or begin at zero",
            )
        self.record = [Iteration(self.objective, self.steepest())]

    def steepest(self) -> float:
        """The largest absolute value in the gradient."""
        return self.gradient.abs().max().item()

    def run(self, iterations: int, tolerance: float, cg_iterations: int, cg_tolerance: float) -> str:
        """Iterate until a reason to stop is met, and return it."""
        for _ in range(iterations):
            if self.steepest() <= tolerance:
                return "tolerance"
            direction, inner = self.direction(cg_iterations, cg_tolerance)
            rows = len(self.sample.x)
            if not self.advance(direction, inner):
                if rows == len(self.problem.x):
                    return "precision"
                self.resize(4 * rows)
        return "tolerance" if self.steepest() <= tolerance else "iterations"

    def direction(self, cg_iterations: int, cg_tolerance: float) -> tuple[Float64[Tensor, "k d1"], int]:
        """Newton's direction, v with H v = -g."""
        hessian = Hessian(self.sample, self.curve, self.theta)
        solve = self.kronecker.inverse(hessian) if self.kronecker else (lambda r: r)
        v, inner = conjugate_gradients(
            hessian,
            -self.gradient.to(self.problem.x.dtype),
            precondition=solve,
            tolerance=cg_tolerance,
            iterations=cg_iterations,
        )
        return v.double(), inner

    def advance(self, direction: Float64[Tensor, "k d1"], inner: int) -> bool:
        """Go along a direction as far as the objective falls; return whether it did."""
        slope = (self.gradient * direction).sum().item()
        rounding = max(torch.finfo(self.problem.x.dtype).eps, 1e-15) * abs(self.objective)
        step = 1.0
        for _ in range(HALVINGS if slope < 0 else 0):
            theta = self.theta + step * direction
            objective, gradient = self.problem.slope(self.curve, theta)
            if -step * slope > rounding:
                accepted = objective <= self.objective + ENOUGH * step * slope
            else:  # the objective no longer tells, so the gradient must
                flatter = gradient.abs().max().item() <= FLATTER * self.steepest()
                accepted = flatter and objective <= self.objective + rounding
            if accepted:
                promised, rows = -slope / 2, len(self.sample.x)
                if self.objective - objective < TRUSTED * promised and rows < len(self.problem.x):
                    self.resize(2 * rows)
                self.theta, self.objective, self.gradient = theta, objective, gradient
                self.record.append(Iteration(objective, self.steepest(), inner, rows, step))
                return True
            step /= 2
        return False
