"""The fully connected layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def affine_forward(x: Array, W: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    """out = x W + b, with x (N, ...) flattened to (N, D), W (D, M), b (M,).

    Source:
        LECTURES A3, C1.
    """
    return x.reshape(len(x), -1) @ W + b, (x, W)


def affine_backward(dout: Array, cache: tuple[Array, Array]) -> tuple[Array, Array, Array]:
    """dx = dout W^T; dW = x^T dout; db = sum of dout over the batch."""
    x, W = cache
    dx = (dout @ W.T).reshape(x.shape)
    return dx, x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)
