"""Optimizers: how the weights x move, given the gradient dx. State goes in and comes out; every state starts at 0.

lr is the learning rate, t counts the steps from 1, eps keeps the division finite. `eps_inside=True` puts eps under the
root as 004 has it for AdaGrad and RMSProp; `eps=0` is 003's form. The two forms of momentum take the same steps as long
as lr stays the same; when it changes, `momentum` applies the new rate to the whole velocity, `momentum_step_form` only
to the new gradient. Example: three steps down f(x) = x^2.

    >>> x, v = np.array([1.0]), np.array([0.0])
    >>> for _ in range(3):
    ...     x, v = momentum(x, 2 * x, v, lr=0.1)
    >>> print(x.round(3))
    [0.062]

Source: LECTURES B1 to B7. Departures: 004's AdamW decays by eta_t lambda, without its alpha; here, as in torch, by lr
lam: lam = lambda_004 / alpha. The last sign in 004's second print of AdamW is wrong: the decay shrinks x.
"""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array


def sgd(x: Array, dx: Array, lr: float) -> Array:
    """B1 Gradient descent; stochastic when dx comes from one example, minibatch when from a few."""
    return x - lr * dx


def momentum(x: Array, dx: Array, v: Array, lr: float, rho: float = 0.9) -> tuple[Array, Array]:
    """B2 The velocity v is a sum of gradients."""
    v = rho * v + dx
    return x - lr * v, v


def momentum_step_form(x: Array, dx: Array, m: Array, lr: float, mu: float = 0.9) -> tuple[Array, Array]:
    """B2 The other convention: m is a sum of steps, each with the rate it was taken at."""
    m = mu * m - lr * dx
    return x + m, m


def nesterov(x: Array, dx: Array, v: Array, lr: float, rho: float = 0.9) -> tuple[Array, Array]:
    """B3 Look ahead along the velocity; x is the point looked at, where dx is taken."""
    v_old, v = v, rho * v - lr * dx
    return x - rho * v_old + (1 + rho) * v, v


def adagrad(
    x: Array, dx: Array, grad_squared: Array, lr: float, eps: float = 1e-8, eps_inside: bool = False
) -> tuple[Array, Array]:
    """B4 Each weight's rate is divided by the root of all its squared gradients so far."""
    grad_squared = grad_squared + dx * dx
    return x - lr * dx / _root(grad_squared, eps, eps_inside), grad_squared


def rmsprop(
    x: Array, dx: Array, grad_squared: Array, lr: float,
    decay_rate: float = 0.99, eps: float = 1e-8, eps_inside: bool = False,
) -> tuple[Array, Array]:  # fmt: skip
    """B5 AdaGrad that forgets: a running average instead of a sum."""
    grad_squared = decay_rate * grad_squared + (1 - decay_rate) * dx * dx
    return x - lr * dx / _root(grad_squared, eps, eps_inside), grad_squared


def adam(
    x: Array, dx: Array, m: Array, v: Array, t: int, lr: float = 0.001,
    beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, eps_inside: bool = False,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """B6 Momentum and RMSProp, both corrected for their start at 0."""
    m = beta1 * m + (1 - beta1) * dx
    v = beta2 * v + (1 - beta2) * dx * dx
    m_unbias, v_unbias = m / (1 - beta1**t), v / (1 - beta2**t)
    return x - lr * m_unbias / _root(v_unbias, eps, eps_inside), m, v


def adam_l2(
    x: Array, dx: Array, m: Array, v: Array, t: int, lr: float = 0.001, lam: float = 0.01,
    beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """B7 The first line of the algorithm: the decay is part of the gradient, so Adam rescales it too."""
    return adam(x, dx + lam * x, m, v, t, lr, beta1, beta2, eps)


def adamw(
    x: Array, dx: Array, m: Array, v: Array, t: int, lr: float = 0.001, lam: float = 0.01,
    beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """B7 The other line: the decay is decoupled from the gradient, every weight shrinks by the same share."""
    x_adam, m, v = adam(x, dx, m, v, t, lr, beta1, beta2, eps)
    return x_adam - lr * lam * x, m, v


def _root(s: Array, eps: float, inside: bool) -> Array:
    return np.sqrt(s + eps) if inside else np.sqrt(s) + eps
