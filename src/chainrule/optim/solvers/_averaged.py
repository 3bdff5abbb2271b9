"""Minibatches and averaged weights: linear classifiers in a few passes over the data."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.optim.solvers._conjugate import MOST_FEATURES, MOST_ROWS, spectrum
from chainrule.optim.solvers._curves import SLOPES, Slope, known_loss
from chainrule.optim.solvers._problem import Problem, check_problem, scores
from chainrule.optim.solvers._solution import Iteration, LinearSolution

DAMPING = 1e-3
"""Features weaker than this share of the strongest one are not evened out further."""
RATES = {"hinge": 10.0, "softmax": 40.0}
MOST_RATE = 1e6
FEWEST_STEPS = 1000
"""Small data are gone through until as many minibatches have been seen."""


def averaged_sgd(
    x: Float[Tensor, "n d"],
    targets: Int[Tensor, " n"],
    *,
    classes: int | None = None,
    loss: Literal["hinge", "softmax"] = "hinge",
    l2: float = 1e-4,
    penalize_bias: bool = False,
    lr: float | None = None,
    batch: int = 256,
    epochs: int | None = None,
    tail: float = 0.5,
    even: bool = True,
    generator: torch.Generator | None = None,
) -> LinearSolution:
    """Minimize mean loss + lambda sum W^2 over f(x) = W x + b by averaged stochastic gradients.

    theta -= rate g P with g the gradient over a minibatch, the penalty's included, at a constant rate; the answer is
    the mean of the weights over the last steps, in which the noise of the minibatches cancels.
    P = (A / a_max + 0.001)^{-1/2} with A the mean of x x^T and a_max its largest eigenvalue evens out features that are
    strong and weak, or that hang together, as pixels do.

    rate = lr / E[x^T P x], so that lr has no unit: where all of a minibatch agree, a step with lr = 1 moves their
    scores by about 1. A penalty so strong that it alone would overshoot lowers the rate.

    Args:
        x: Examples, any floating type; of 16 bits they are copied to float32.
        targets: Right classes, 0 to K - 1.
        classes: K; without it, the largest class + 1, at least 2.
        loss: `hinge` (A4, the linear SVM) or `softmax` (A5).
        l2: lambda, at least 0.
        penalize_bias: Whether lambda sum b^2 is added.
        lr: Above 0, at most a million; see above. Without it 10 for the hinge loss, and 40 for softmax, whose slope is
            less steep.
        batch: Examples in a minibatch.
        epochs: Passes over the examples, in a new order each; without it 5, or more where that makes fewer than 1,000
            minibatches.
        tail: Share of the steps, at the end, whose weights are averaged, in (0, 1].
        even: Whether P is used; without it P = 1. With 4,096 features or more it never is.
        generator: Draws the orders; without it one with seed 0.

    Returns:
        Weights and bias in x's type (float32 at least), and the record: the start, and after each epoch the objective
        over all examples, of the mean so far or, before there is one, of the weights. The reason is `iterations`.

    Raises:
        UsageError: Shapes, types or settings do not fit.
        DataError: No examples, a class out of range, or a feature that is not finite.

    Example:
        >>> x, y = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
        >>> averaged_sgd(x, y).scores(x).argmax(1)
        tensor([0, 0, 1, 1])

    Source:
        LECTURES A4, A6, B1; Polyak and Juditsky 1992 (averaging).

    Departures:
        The lectures' minibatch gradient descent has P = 1 and takes the last weights: `even=False` and a `tail` of one
        step.
    """
    problem = check_problem("averaged_sgd", x, targets, classes, l2, penalize_bias)
    chosen = known_loss("averaged_sgd", loss, SLOPES)
    batches = max(1, math.ceil(len(x) / batch)) if isinstance(batch, int) and batch > 0 else 1
    lr = RATES[loss] if lr is None else lr
    epochs = max(5, math.ceil(FEWEST_STEPS / batches)) if epochs is None else epochs
    for name, value in (("batch", batch), ("epochs", epochs)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise UsageError(f"averaged_sgd: wrong {name}", expected="a whole number, at least 1", got=value)
    if not 0 < lr <= MOST_RATE or not 0 < tail <= 1:
        expected = f"lr above 0, at most {MOST_RATE:g}, and tail in (0, 1]"
        raise UsageError("averaged_sgd: wrong lr or tail", expected=expected, got=f"{lr} and {tail}")
    with torch.no_grad():
        unit, largest, spread = _evened(problem, even)
        rate = min(lr * unit, 1 / (2 * l2 * largest)) if l2 else lr * unit
        theta, record = _descend(
            problem, chosen, rate, spread, (batch, epochs, tail), generator or torch.Generator().manual_seed(0)
        )
    weights = theta.to(problem.x.dtype)
    return LinearSolution(weights[:, :-1].contiguous(), weights[:, -1].contiguous(), tuple(record), "iterations")


def _descend(
    problem: Problem,
    loss: type[Slope],
    rate: float,
    spread: Callable[[Tensor], Tensor],
    plan: tuple[int, int, float],
    generator: torch.Generator,
) -> tuple[Float64[Tensor, "k d1"], list[Iteration]]:
    """All epochs: the mean of the weights over the tail, and the record."""
    batch, epochs, tail = plan
    x, right, N = problem.x, problem.right, len(problem.x)
    theta, total, counted = problem.zeros().to(x.dtype), problem.zeros(), 0
    pull = 2 * problem.pull().to(x.dtype)  # (D + 1,)
    batches = math.ceil(N / batch)
    first = min(int((1 - tail) * batches * epochs), batches * epochs - 1)  # at least the last step counts
    record, step = [_looked_at(problem, loss, total, 0, rate)], 0
    for _ in range(epochs):
        for rows in torch.randperm(N, generator=generator).to(x.device).split(batch):
            examples = x[rows]
            _, slopes = loss.slope(scores(theta, examples), right[rows])  # (K, B)
            gradient = torch.cat([slopes @ examples, slopes.sum(1, keepdim=True)], 1).div_(len(rows))
            theta.sub_(spread(gradient.addcmul_(pull, theta)), alpha=rate)
            step += 1
            if step > first:
                total += theta
                counted += 1
        record.append(_looked_at(problem, loss, total / counted if counted else theta.double(), batches, rate))
    return total / counted, record


def _looked_at(
    problem: Problem, loss: type[Slope], theta: Float64[Tensor, "k d1"], inner: int, rate: float
) -> Iteration:
    """The objective over all examples."""
    objective, gradient = problem.slope(loss, theta)
    return Iteration(objective, gradient.abs().max().item(), inner, len(problem.x) if inner else 0, rate)


def _evened(problem: Problem, even: bool) -> tuple[float, float, Callable[[Tensor], Tensor]]:
    """1 / E[x^T P x], the largest eigenvalue of P, and g -> g P.

    The weak features share one factor, so P is that factor and a correction for the few that are strong.
    """
    N = len(problem.x)
    x = problem.x[torch.linspace(0, N - 1, min(MOST_ROWS, N), dtype=torch.float64).long().to(problem.x.device)]
    if not even or x.shape[1] >= MOST_FEATURES:
        return 1 / (1 + x.square().sum(1).mean().item()), 1.0, lambda g: g
    a, u = spectrum(x)
    top = a[-1]  # at least 1, that of the bias
    factors = (a / top + DAMPING).rsqrt()
    strong = a > 0.02 * DAMPING * top
    weak, u = DAMPING**-0.5, u[:, strong]
    correction = factors[strong] - weak
    return 1 / (a * factors).sum().item(), weak, lambda g: g * weak + ((g @ u) * correction) @ u.T
