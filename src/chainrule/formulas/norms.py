"""Normalization: subtract a mean, divide by a deviation; they differ in what is averaged over.

Images are (N, C, H, W). Batch norm averages over N, H, W; layer norm over C, H, W; instance norm over H, W; group norm
over H, W and the channels of a group.

Source:
    LECTURES C6.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
EPS = 1e-5


def normalize_forward(x: Array, axes: tuple[int, ...], eps: float = EPS) -> tuple[Array, tuple[Any, ...]]:
    """x_hat = (x - mean) / sqrt(var + eps) over some axes."""
    mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    std = np.sqrt(var + eps)
    x_hat = (x - mean) / std
    return x_hat, (x_hat, std, axes)


def normalize_backward(dx_hat: Array, cache: tuple[Any, ...]) -> Array:
    """dx = (dx_hat - mean(dx_hat) - x_hat mean(dx_hat x_hat)) / std: mean and deviation depend on x too."""
    x_hat, std, axes = cache
    mean = dx_hat.mean(axis=axes, keepdims=True)
    along = (dx_hat * x_hat).mean(axis=axes, keepdims=True)
    return (dx_hat - mean - x_hat * along) / std


def batch_norm_forward(x: Array, gamma: Array, beta: Array, eps: float = EPS) -> tuple[Array, tuple[Any, ...]]:
    """While training: per feature over the batch (N, D), or per channel over batch and places (N, C, H, W)."""
    x_hat, cache = normalize_forward(x, (0, *range(2, x.ndim)), eps)
    g, b = _per_channel(gamma, x), _per_channel(beta, x)
    return g * x_hat + b, (gamma, x_hat, cache)


def batch_norm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """dx, dgamma, dbeta."""
    gamma, x_hat, inner = cache
    axes = (0, *range(2, dout.ndim))
    dx = normalize_backward(dout * _per_channel(gamma, dout), inner)
    return dx, (dout * x_hat).sum(axis=axes), dout.sum(axis=axes)


def batch_norm_test(x: Array, gamma: Array, beta: Array, mean: Array, var: Array, eps: float = EPS) -> Array:
    """At test time: the running averages in place of the batch's; an affine map of each feature."""
    scale = gamma / np.sqrt(var + eps)
    return x * _per_channel(scale, x) + _per_channel(beta - mean * scale, x)


def running_average(running: Array, batch: Array, momentum: float = 0.1) -> Array:
    """running = (1 - momentum) running + momentum batch. (torch puts in the variance with N - 1 below.)"""
    return (1 - momentum) * running + momentum * batch


def layer_norm_forward(x: Array, gamma: Array, beta: Array, eps: float = EPS) -> tuple[Array, tuple[Any, ...]]:
    """Per example, the same at train and test; gamma and beta have the shape of one example."""
    x_hat, cache = normalize_forward(x, tuple(range(1, x.ndim)), eps)
    return gamma * x_hat + beta, (gamma, x_hat, cache)


def layer_norm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """dx, dgamma, dbeta."""
    gamma, x_hat, inner = cache
    return normalize_backward(dout * gamma, inner), (dout * x_hat).sum(axis=0), dout.sum(axis=0)


def group_norm_forward(x: Array, gamma: Array, beta: Array, G: int, eps: float = EPS) -> tuple[Array, tuple[Any, ...]]:
    """Per example and group of C/G channels; one gamma and beta a channel. G = C is instance norm."""
    N, C, H, W = x.shape
    x_hat, cache = normalize_forward(x.reshape(N, G, C // G, H, W), (2, 3, 4), eps)
    x_hat = x_hat.reshape(x.shape)
    return _per_channel(gamma, x) * x_hat + _per_channel(beta, x), (gamma, x_hat, cache, G)


def group_norm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """dx, dgamma, dbeta."""
    gamma, x_hat, inner, G = cache
    N, C, H, W = dout.shape
    dx_hat = (dout * _per_channel(gamma, dout)).reshape(N, G, C // G, H, W)
    dx = normalize_backward(dx_hat, inner).reshape(dout.shape)
    return dx, (dout * x_hat).sum(axis=(0, 2, 3)), dout.sum(axis=(0, 2, 3))


def instance_norm_forward(x: Array, gamma: Array, beta: Array, eps: float = EPS) -> tuple[Array, tuple[Any, ...]]:
    """Per example and channel."""
    return group_norm_forward(x, gamma, beta, x.shape[1], eps)


def local_response_norm_forward(
    x: Array, n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75
) -> tuple[Array, tuple[Any, ...]]:
    """out_c = x_c / (k + alpha * sum over n channels around c of x^2)^beta, as AlexNet has it.

    Departures: torch divides alpha by n.
    """
    scale = k + alpha * _neighbors(x**2, n)
    return x * scale**-beta, (x, scale, n, alpha, beta)


def local_response_norm_backward(dout: Array, cache: tuple[Any, ...]) -> Array:
    """x_c enters its own numerator, and the denominators of its n neighbors."""
    x, scale, n, alpha, beta = cache
    return dout * scale**-beta - 2 * alpha * beta * x * _neighbors(dout * x * scale ** (-beta - 1), n, flip=True)


def _neighbors(x: Array, n: int, flip: bool = False) -> Array:
    """Sum over the n channels around each one: from c - n//2 to c + (n-1)//2."""
    before, after = (n // 2, (n - 1) // 2) if not flip else ((n - 1) // 2, n // 2)
    padded = np.pad(x, ((0, 0), (before, after), (0, 0), (0, 0)))
    return np.sum([padded[:, i : i + x.shape[1]] for i in range(n)], axis=0)


def _per_channel(values: Array, x: Array) -> Array:
    return values.reshape(1, -1, *[1] * (x.ndim - 2))
