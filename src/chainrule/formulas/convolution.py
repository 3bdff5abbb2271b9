"""The convolution layer (a cross-correlation, as every library computes it).

x (N, C, H, W), w (K, C/groups, F, F), b (K,).

Source:
    LECTURES D1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def conv_output_size(W: int, F: int, S: int = 1, P: int = 0, dilation: int = 1) -> int:
    """floor((W - F + 2P) / S) + 1, with F = dilation (F - 1) + 1 when the filter is spread out.

    Example:
        >>> conv_output_size(32, 5, 1, 2), conv_output_size(227, 11, 4), conv_output_size(224, 11, 4, 2)
        (32, 55, 55)
    """
    return (W - (dilation * (F - 1) + 1) + 2 * P) // S + 1


def conv_parameters(F: int, C: int, K: int, groups: int = 1) -> int:
    """F F C K + K.

    Example:
        >>> conv_parameters(5, 1, 10), conv_parameters(5, 10, 10)
        (260, 2510)
    """
    return F * F * (C // groups) * K + K


def conv_forward(
    x: Array, w: Array, b: Array, S: int = 1, P: int = 0, dilation: int = 1, groups: int = 1
) -> tuple[Array, tuple[Any, ...]]:
    """At each output place: the dot product of every filter with the window under it."""
    N, _, H, W = x.shape
    K, Cg, FH, FW = w.shape
    OH, OW = conv_output_size(H, FH, S, P, dilation), conv_output_size(W, FW, S, P, dilation)
    padded = np.pad(x, ((0, 0), (0, 0), (P, P), (P, P)))
    out = np.zeros((N, K, OH, OW))
    for g in range(groups):
        filters = slice(g * K // groups, (g + 1) * K // groups)
        for i in range(OH):
            for j in range(OW):
                window = _window(padded, i * S, j * S, FH, FW, dilation)[:, g * Cg : (g + 1) * Cg]
                out[:, filters, i, j] = np.tensordot(window, w[filters], axes=([1, 2, 3], [1, 2, 3])) + b[filters]
    return out, (x, w, S, P, dilation, groups)


def conv_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Each output sends its gradient to its filter (times the window) and to its window (times the filter)."""
    x, w, S, P, dilation, groups = cache
    K, Cg, FH, FW = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (P, P), (P, P)))
    dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
    for g in range(groups):
        filters, channels = slice(g * K // groups, (g + 1) * K // groups), slice(g * Cg, (g + 1) * Cg)
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                d = dout[:, filters, i, j]  # (N, K/groups)
                window = _window(padded, i * S, j * S, FH, FW, dilation)[:, channels]
                dw[filters] += np.tensordot(d, window, axes=(0, 0))
                _window(dpadded, i * S, j * S, FH, FW, dilation)[:, channels] += np.tensordot(
                    d, w[filters], axes=(1, 0)
                )
    H, W = x.shape[2:]
    return dpadded[:, :, P : P + H, P : P + W], dw, dout.sum(axis=(0, 2, 3))


def conv_transpose_forward(x: Array, w: Array, b: Array, S: int = 1, P: int = 0) -> Array:
    """Each input places its filter on the output, S apart; overlaps are summed, P is cut off. Size (W-1) S - 2P + F.

    Args:
        x: (N, C, H, W).
        w: (C, K, F, F).
        b: (K,).
        S: Stride.
        P: Padding.

    Departures:
        003 says that overlaps are averaged: they are summed. It is the adjoint of the convolution.
    """
    N, _, H, W = x.shape
    _, K, FH, FW = w.shape
    out = np.zeros((N, K, (H - 1) * S + FH, (W - 1) * S + FW))
    for i in range(H):
        for j in range(W):
            out[:, :, i * S : i * S + FH, j * S : j * S + FW] += np.tensordot(x[:, :, i, j], w, axes=(1, 0))
    return out[:, :, P : out.shape[2] - P, P : out.shape[3] - P] + b[None, :, None, None]


def fully_connected_as_convolution(W: Array, C: int, H: int, Wd: int) -> Array:
    """Weights (D, M) of a fully connected layer on (C, H, W) as M filters that cover the whole input: (M, C, H, W)."""
    return W.T.reshape(-1, C, H, Wd)


def _window(x: Array, i: int, j: int, FH: int, FW: int, dilation: int) -> Array:
    return x[:, :, i : i + dilation * (FH - 1) + 1 : dilation, j : j + dilation * (FW - 1) + 1 : dilation]
