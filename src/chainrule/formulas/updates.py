"""One step of each optimizer: weights x, gradient g, rate lr, and what it remembers, which is returned anew.

t counts from 1. Epsilon stands outside the root; with `inside=True` under it (004's AdaGrad and RMSProp).

Source:
    LECTURES B1-B7.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def sgd(x: Array, g: Array, lr: float) -> Array:
    """x -= lr g  (B1)."""
    return x - lr * g


def momentum(x: Array, g: Array, v: Array, lr: float, rho: float = 0.9) -> tuple[Array, Array]:
    """v = rho v + g; x -= lr v  (B2, first convention: the rate applies to the whole velocity)."""
    v = rho * v + g
    return x - lr * v, v


def momentum_step(x: Array, g: Array, m: Array, lr: float, mu: float = 0.9) -> tuple[Array, Array]:
    """m = mu m - lr g; x += m  (B2, second convention: old steps keep the rate they were made with)."""
    m = mu * m - lr * g
    return x + m, m


def nesterov(x: Array, g: Array, v: Array, lr: float, rho: float = 0.9) -> tuple[Array, Array]:
    """v' = rho v - lr g; x += -rho v + (1 + rho) v'  (B3)."""
    v_new = rho * v - lr * g
    return x - rho * v + (1 + rho) * v_new, v_new


def adagrad(x: Array, g: Array, s: Array, lr: float, eps: float = 1e-8, *, inside: bool = False) -> tuple[Array, Array]:
    """s += g^2; x -= lr g / (sqrt(s) + eps)  (B4)."""
    s = s + g**2
    return x - lr * g / _root(s, eps, inside), s


def rmsprop(
    x: Array, g: Array, s: Array, lr: float, decay: float = 0.99, eps: float = 1e-8, *, inside: bool = False
) -> tuple[Array, Array]:
    """s = decay s + (1 - decay) g^2; x -= lr g / (sqrt(s) + eps)  (B5)."""
    s = decay * s + (1 - decay) * g**2
    return x - lr * g / _root(s, eps, inside), s


def adam(
    x: Array, g: Array, m: Array, v: Array, t: int, lr: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> tuple[Array, Array, Array]:
    """m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; both divided by 1 - b^t; x -= lr m / (sqrt(v) + eps)  (B6)."""
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
    return x - lr * m_hat / (np.sqrt(v_hat) + eps), m, v


def adam_l2(
    x: Array,
    g: Array,
    m: Array,
    v: Array,
    t: int,
    lr: float,
    d: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[Array, Array, Array]:
    """Adam on g + d x: the decay is divided by sqrt(v) too  (B7, the other line of the same algorithm)."""
    return adam(x, g + d * x, m, v, t, lr, b1, b2, eps)


def adamw(
    x: Array,
    g: Array,
    m: Array,
    v: Array,
    t: int,
    lr: float,
    d: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[Array, Array, Array]:
    """Adam, and x -= lr d x beside it: the decay is decoupled from the gradient  (B7).

    Departures:
        004 decays by eta_t lambda, without its alpha: d = lambda / alpha; its second print has the last sign wrong.
    """
    moved, m, v = adam(x, g, m, v, t, lr, b1, b2, eps)
    return moved - lr * d * x, m, v


def _root(s: Array, eps: float, inside: bool) -> Array:
    return np.sqrt(s + eps) if inside else np.sqrt(s) + eps
