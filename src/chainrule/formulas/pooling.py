"""Pooling: a window of each channel becomes one number. No parameters.

Shapes: N images, C channels, H x W pixels. F size of the window, S stride, P padding.
"""

from __future__ import annotations

import numpy as np

from chainrule.core.errors import UsageError
from chainrule.formulas._array import Array, Cache


def pool_output_size(W: int, F: int, S: int, P: int = 0) -> int:
    """floor((W - F + 2P) / S) + 1.

    Args:
        W: Width (or height) of the input.
        F: Of the window.
        S: Stride.
        P: Padding on each side, at most half the window, so that no window lies in the padding alone.

    Raises:
        UsageError: The window does not fit, or may lie in the padding alone.

    Example:
        >>> pool_output_size(32, F=2, S=2), pool_output_size(55, F=3, S=2)
        (16, 27)

    Source:
        LECTURES D2.
    """
    if F > W + 2 * P:
        raise UsageError("the window does not fit into its padded input", expected=f">= {F}", got=W + 2 * P)
    if 2 * P > F:
        raise UsageError("the padding is more than half the window", expected=f"at most {F // 2}", got=P)
    return (W - F + 2 * P) // S + 1


def max_pool_forward(x: Array, F: int = 2, stride: int = 2, pad: int = 0) -> tuple[Array, Cache]:
    """The largest number of each window.

    Args:
        x: (N, C, H, W).
        F: Size of the window.
        stride: S.
        pad: P, filled with minus infinity, which never wins.

    Returns:
        (N, C, H', W'); and the cache.

    Raises:
        UsageError: The window does not fit.

    Example:
        >>> x = np.array([[[[1.0, 5.0, 2.0, 2.0], [3.0, 4.0, 2.0, 2.0]]]])
        >>> print(max_pool_forward(x)[0])
        [[[[5. 2.]]]]

    Source:
        LECTURES D2.
    """
    N, C, H, W = x.shape
    H_out, W_out = pool_output_size(H, F, stride, pad), pool_output_size(W, F, stride, pad)
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=-np.inf)

    out = np.zeros((N, C, H_out, W_out))
    winner = np.zeros((N, C, H_out, W_out), dtype=np.int64)
    for i in range(H_out):
        for j in range(W_out):
            window = padded[_window(i, j, F, stride)].reshape(N, C, F * F)
            out[:, :, i, j] = window.max(axis=2)
            winner[:, :, i, j] = window.argmax(axis=2)  # of equal ones the first, row by row
    return out, (x.shape, winner, F, stride, pad)


def max_pool_backward(dout: Array, cache: Cache) -> Array:
    """Max routes: the winner of each window receives all of its gradient; of equal ones the first.

    Args:
        dout: (N, C, H', W').
        cache: From `max_pool_forward`.

    Returns:
        dx, (N, C, H, W).
    """
    (N, C, H, W), winner, F, stride, pad = cache
    dpadded = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            won = np.arange(F * F) == winner[:, :, i, j, None]  # (N, C, F F)
            dpadded[_window(i, j, F, stride)] += (won * dout[:, :, i, j, None]).reshape(N, C, F, F)
    return dpadded[:, :, pad : pad + H, pad : pad + W]


def average_pool_forward(x: Array, F: int = 2, stride: int = 2, pad: int = 0) -> tuple[Array, Cache]:
    """The mean of each window.

    Args:
        x: (N, C, H, W).
        F: Size of the window.
        stride: S.
        pad: P, filled with zeros, which count.

    Returns:
        (N, C, H', W'); and the cache.

    Raises:
        UsageError: The window does not fit.

    Example:
        >>> x = np.array([[[[1.0, 5.0, 2.0, 2.0], [3.0, 4.0, 2.0, 2.0]]]])
        >>> print(average_pool_forward(x)[0])
        [[[[3.25 2.  ]]]]

    Source:
        LECTURES D2.
    """
    N, C, H, W = x.shape
    H_out, W_out = pool_output_size(H, F, stride, pad), pool_output_size(W, F, stride, pad)
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))

    out = np.zeros((N, C, H_out, W_out))
    for i in range(H_out):
        for j in range(W_out):
            out[:, :, i, j] = padded[_window(i, j, F, stride)].mean(axis=(2, 3))
    return out, (x.shape, F, stride, pad)


def average_pool_backward(dout: Array, cache: Cache) -> Array:
    """Each pixel of a window receives the same share, 1/F^2.

    Args:
        dout: (N, C, H', W').
        cache: From `average_pool_forward`.

    Returns:
        dx, (N, C, H, W).
    """
    (N, C, H, W), F, stride, pad = cache
    dpadded = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            dpadded[_window(i, j, F, stride)] += dout[:, :, i, j, None, None] / F**2
    return dpadded[:, :, pad : pad + H, pad : pad + W]


def global_average_pool_forward(x: Array) -> tuple[Array, Cache]:
    """The mean of each channel over all positions: one number for each channel, whatever the size of the image.

    Args:
        x: (N, C, H, W).

    Returns:
        (N, C); and the cache.

    Example:
        >>> print(global_average_pool_forward(np.arange(8.0).reshape(1, 2, 2, 2))[0])
        [[1.5 5.5]]

    Source:
        LECTURES D2.
    """
    return x.mean(axis=(2, 3)), x.shape


def global_average_pool_backward(dout: Array, cache: Cache) -> Array:
    """Each position receives the same share, 1/(H W).

    Args:
        dout: (N, C).
        cache: From `global_average_pool_forward`.

    Returns:
        dx, (N, C, H, W).
    """
    N, C, H, W = cache
    return np.broadcast_to(dout[:, :, None, None] / (H * W), (N, C, H, W)).copy()


def _window(i: int, j: int, F: int, stride: int) -> tuple[slice, ...]:
    """Where the window of position (i, j) lies in (N, C, H, W)."""
    rows = slice(i * stride, i * stride + F)
    columns = slice(j * stride, j * stride + F)
    return slice(None), slice(None), rows, columns
