"""Losses: from scores to a number, and back. Each returns the mean over the batch and its gradient.

Shapes: N examples, K classes. `s` are the scores (N, K), `y` the right classes (N,).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Classes = NDArray[np.integer]


def svm_loss(s: Array, y: Classes) -> tuple[float, Array]:
    """Multiclass SVM (hinge) loss: L_i = sum over j != y of max(0, s_j - s_y + 1).

    Returns:
        Mean loss, and its gradient by the scores (N, K).

    Example:
        >>> round(svm_loss(np.array([[3.2, 5.1, -1.7]]), np.array([0]))[0], 1)
        2.9

    Source:
        LECTURES A4.
    """
    N = len(s)
    rows = np.arange(N)
    margins = np.maximum(0, s - s[rows, y][:, None] + 1)
    margins[rows, y] = 0
    ds = (margins > 0).astype(float)
    ds[rows, y] = -ds.sum(axis=1)
    return float(margins.sum() / N), ds / N


def softmax(s: Array) -> Array:
    """p_k = e^{s_k} / sum_j e^{s_j} along the last axis, shifted by the largest score so that nothing overflows.

    Example:
        >>> softmax(np.array([3.2, 5.1, -1.7])).round(2).tolist()
        [0.13, 0.87, 0.0]

    Source:
        LECTURES A5.
    """
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_loss(s: Array, y: Classes) -> tuple[float, Array]:
    """Cross-entropy: L_i = -log(e^{s_y} / sum_j e^{s_j}); its gradient is p, less 1 at the right class.

    Returns:
        Mean loss, and its gradient by the scores (N, K).

    Example:
        >>> round(softmax_loss(np.array([[3.2, 5.1, -1.7]]), np.array([0]))[0], 2)
        2.04

    Source:
        LECTURES A5.
    """
    N = len(s)
    rows = np.arange(N)
    shifted = s - s.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    ds = np.exp(log_p)
    ds[rows, y] -= 1
    return float(-log_p[rows, y].mean()), ds / N


def binary_cross_entropy(s: Array, y: Array) -> tuple[float, Array]:
    """-[y log p + (1 - y) log(1 - p)] with p = sigmoid(s), written so that nothing overflows.

    Args:
        s: One score an example (N,).
        y: 0 or 1 (N,).

    Example:
        >>> round(binary_cross_entropy(np.array([0.0]), np.array([1.0]))[0], 4)
        0.6931

    Source:
        LECTURES A5.
    """
    loss = np.maximum(s, 0) - s * y + np.log1p(np.exp(-np.abs(s)))
    p = 0.5 * (1 + np.tanh(s / 2))
    return float(loss.mean()), (p - y) / len(s)


def mean_squared_error(s: Array, y: Array) -> tuple[float, Array]:
    """Mean over all numbers of (s - y)^2.

    Example:
        >>> mean_squared_error(np.array([[1.0, 3.0]]), np.array([[0.0, 1.0]]))[0]
        2.5

    Source:
        LECTURES A7.
    """
    difference = s - y
    return float((difference**2).mean()), 2 * difference / difference.size
