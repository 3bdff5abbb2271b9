"""Muon: a step for a matrix of weights that moves it equally far in all directions.

No lecture has it; it is momentum (LECTURES B2) with one more line. Momentum G = U S V^T says in which directions to go
(U, V) and how strongly (S): the few directions that most examples agree on drown the others. Muon goes the same way in
all: U V^T. Newton-Schulz iterations come near that with products of matrices alone.
"""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array

QUINTIC = (3.4445, -4.7750, 2.0315)
"""a, b, c of s -> a s + b s^3 + c s^5: it brings each s in (0, 1] near 1; small ones grow 3.4 times at each call."""


def newton_schulz(G: Array, iterations: int = 3) -> Array:
    """X = G / ||G||, then X <- a X + b (X X^T) X + c (X X^T)^2 X: the singular values come near 1, U and V stay.

    Args:
        G: (m, n), not all zeros.
        iterations: How often; with 5 all singular values above 1 % of ||G|| end between 0.68 and 1.14.

    Returns:
        (m, n), about U V^T of G = U S V^T.

    Example:
        >>> print(newton_schulz(np.diag([3.0, 1.0, 0.5]), 5).diagonal().round(1))
        [0.7 1.1 1. ]

    Source:
        Jordan et al. 2024 (Muon); Bernstein and Newhouse 2024.
    """
    a, b, c = QUINTIC
    X = G / np.sqrt(np.sum(G * G))
    for _ in range(iterations):
        A = X @ X.T
        X = a * X + (b * A + c * A @ A) @ X
    return X


def muon(W: Array, dW: Array, m: Array, lr: float, rho: float = 0.6, iterations: int = 3) -> tuple[Array, Array]:
    """m = rho m + dW; W = W sqrt(K) / ||W|| - lr newton_schulz(dW + rho m).

    The first factor keeps the size of the weights: a norm follows, so only their direction has a meaning (LECTURES C6).

    Args:
        W: (K, D): filters as rows.
        dW: (K, D), their gradient.
        m: (K, D), zeros before the first step.
        lr: Learning rate: how far in every direction.
        rho: Friction.
        iterations: Of `newton_schulz`.

    Returns:
        W and m after the step.

    Example:
        >>> W, m = muon(np.eye(2), np.array([[5.0, 0.0], [0.0, 0.5]]), np.zeros((2, 2)), lr=0.1, iterations=5)
        >>> print(W.round(2))
        [[0.93 0.  ]
         [0.   0.93]]

    Source:
        LECTURES B2, B3; Jordan et al. 2024 (Muon).
    """
    m = rho * m + dW
    return W * np.sqrt(len(W)) / np.sqrt(np.sum(W * W)) - lr * newton_schulz(dW + rho * m, iterations), m
