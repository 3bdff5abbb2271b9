"""Pooling: x (N, C, H, W), windows of F, stride S. Output (W - F)/S + 1; no parameters.

Source:
    LECTURES D2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def max_pool_forward(x: Array, F: int, S: int) -> tuple[Array, tuple[Any, ...]]:
    """The largest value of each window."""
    out = np.zeros((*x.shape[:2], (x.shape[2] - F) // S + 1, (x.shape[3] - F) // S + 1))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = x[:, :, i * S : i * S + F, j * S : j * S + F].max(axis=(2, 3))
    return out, (x, F, S)


def max_pool_backward(dout: Array, cache: tuple[Any, ...]) -> Array:
    """The gradient goes to the largest value; of equal ones to the first, row by row."""
    x, F, S = cache
    N, C = x.shape[:2]
    dx = np.zeros_like(x)
    n, c = np.indices((N, C))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            first = x[:, :, i * S : i * S + F, j * S : j * S + F].reshape(N, C, -1).argmax(axis=2)
            np.add.at(dx, (n, c, i * S + first // F, j * S + first % F), dout[:, :, i, j])
    return dx


def average_pool_forward(x: Array, F: int, S: int) -> tuple[Array, tuple[Any, ...]]:
    """The mean of each window."""
    out = np.zeros((*x.shape[:2], (x.shape[2] - F) // S + 1, (x.shape[3] - F) // S + 1))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = x[:, :, i * S : i * S + F, j * S : j * S + F].mean(axis=(2, 3))
    return out, (x.shape, F, S)


def average_pool_backward(dout: Array, cache: tuple[Any, ...]) -> Array:
    """Each value of a window receives an equal share."""
    shape, F, S = cache
    dx = np.zeros(shape)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            dx[:, :, i * S : i * S + F, j * S : j * S + F] += dout[:, :, i, j][:, :, None, None] / F**2
    return dx


def global_average_forward(x: Array) -> tuple[Array, tuple[int, ...]]:
    """The mean over all places: (N, C, H, W) -> (N, C)."""
    return x.mean(axis=(2, 3)), x.shape


def global_average_backward(dout: Array, shape: tuple[int, ...]) -> Array:
    """Each place receives an equal share."""
    return np.broadcast_to(dout[:, :, None, None] / (shape[2] * shape[3]), shape).copy()
