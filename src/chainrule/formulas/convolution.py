"""Convolution: every filter slides over the image; every number of the output is one filter times one window.

Shapes: N images, C channels, H x W pixels, K filters of F x F. S stride, P padding, D dilation, G groups.
`at` names the window: rows i S, i S + D, ..., i S + D (F - 1) of the padded image, and columns alike.
"""

from __future__ import annotations

import numpy as np

from chainrule.core.errors import UsageError
from chainrule.formulas._array import Array, Cache


def conv_output_size(W: int, F: int, S: int = 1, P: int = 0, D: int = 1) -> int:
    """floor((W - F + 2P) / S) + 1; a dilated filter covers D (F - 1) + 1 pixels instead of F.

    Args:
        W: Width (or height) of the input.
        F: Of the filter.
        S: Stride.
        P: Padding on each side.
        D: Dilation.

    Raises:
        UsageError: The filter does not fit.

    Example:
        >>> conv_output_size(32, F=5, P=2), conv_output_size(227, F=11, S=4), conv_output_size(224, F=11, S=4)
        (32, 55, 54)

    Source:
        LECTURES D1.

    Departures:
        The notes write no floor; every library has it.
    """
    covered = D * (F - 1) + 1
    if covered > W + 2 * P:
        raise UsageError("the filter does not fit into its padded input", expected=f">= {covered}", got=W + 2 * P)
    return (W - covered + 2 * P) // S + 1


def conv_parameters(F: int, C: int, K: int, G: int = 1) -> int:
    """F F C K + K: K filters that see all channels (or those of their group), and one bias each.

    Example:
        >>> conv_parameters(F=5, C=1, K=10), conv_parameters(F=5, C=10, K=10)
        (260, 2510)

    Source:
        LECTURES D1, D3.
    """
    return F * F * (C // G) * K + K


def conv_forward(
    x: Array, w: Array, b: Array, stride: int = 1, pad: int = 0, dilation: int = 1, groups: int = 1
) -> tuple[Array, Cache]:
    """out[n, k, i, j] = sum of the window at (i, j) times filter k, + b_k.

    Args:
        x: (N, C, H, W).
        w: Filters, (K, C/G, F, F).
        b: (K,).
        stride: S.
        pad: P rows and columns of zeros on each side.
        dilation: D.
        groups: G; filter k of group g sees the channels of group g only.

    Returns:
        (N, K, H', W'); and the cache.

    Raises:
        UsageError: The filter does not fit.

    Example:
        >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
        >>> print(conv_forward(x, np.ones((1, 1, 2, 2)), np.array([100.0]))[0])
        [[[[108. 112.]
           [120. 124.]]]]

    Source:
        LECTURES D1.

    Departures:
        Like every library this correlates: the filter is not flipped.
    """
    N, C, H, W = x.shape
    K, _, FH, FW = w.shape
    H_out = conv_output_size(H, FH, stride, pad, dilation)
    W_out = conv_output_size(W, FW, stride, pad, dilation)
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))

    out = np.zeros((N, K, H_out, W_out))
    for i in range(H_out):
        for j in range(W_out):
            at = _window(i, j, FH, FW, stride, dilation)
            window = padded[at].reshape(N, groups, C // groups, FH, FW)
            filters = w.reshape(groups, K // groups, C // groups, FH, FW)
            out[:, :, i, j] = np.einsum("ngcuv,gkcuv->ngk", window, filters).reshape(N, K) + b
    return out, (x, w, stride, pad, dilation, groups)


def conv_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """Every output number gives its gradient to its window (times the filter) and to the filter (times the window).

    Windows overlap, so what they give to a pixel is added.

    Args:
        dout: (N, K, H', W').
        cache: From `conv_forward`.

    Returns:
        dx, (N, C, H, W); dw, (K, C/G, F, F); db, (K,).
    """
    x, w, stride, pad, dilation, groups = cache
    N, C, H, W = x.shape
    K, _, FH, FW = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    filters = w.reshape(groups, K // groups, C // groups, FH, FW)

    dpadded, dfilters = np.zeros(padded.shape), np.zeros(filters.shape)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            at = _window(i, j, FH, FW, stride, dilation)
            window = padded[at].reshape(N, groups, C // groups, FH, FW)
            d = dout[:, :, i, j].reshape(N, groups, K // groups)
            dpadded[at] += np.einsum("ngk,gkcuv->ngcuv", d, filters).reshape(N, C, FH, FW)
            dfilters += np.einsum("ngk,ngcuv->gkcuv", d, window)
    return dpadded[:, :, pad : pad + H, pad : pad + W], dfilters.reshape(w.shape), dout.sum(axis=(0, 2, 3))


def conv_transpose_output_size(W: int, F: int, S: int = 1, P: int = 0) -> int:
    """(W - 1) S - 2P + F: the size from which a convolution would come back to W.

    Example:
        >>> conv_transpose_output_size(7, F=2, S=2), conv_output_size(14, F=2, S=2)
        (14, 7)

    Source:
        LECTURES E8, D3.
    """
    return (W - 1) * S - 2 * P + F


def conv_transpose_forward(
    x: Array, w: Array, b: Array, stride: int = 1, pad: int = 0, groups: int = 1
) -> tuple[Array, Cache]:
    """Transposed convolution: every input number puts down its filter, scaled; overlaps are added.

    It does to x what the backward pass of a convolution does to dout: <conv(y), x> = <y, conv_transpose(x)>.

    Args:
        x: (N, C, H, W).
        w: Filters of that convolution, from K channels to C: (C, K/G, F, F).
        b: (K,).
        stride: S, from one filter to the next in the output.
        pad: P rows and columns cut off on each side of the output.
        groups: G.

    Returns:
        (N, K, H', W') with W' = (W - 1) S - 2P + F; and the cache.

    Example:
        >>> x = np.array([[[[1.0, 2.0]]]])
        >>> print(conv_transpose_forward(x, np.ones((1, 1, 1, 3)), np.zeros(1), stride=2)[0])
        [[[[1. 1. 3. 2. 2.]]]]

    Source:
        LECTURES E8 (UPCONV of the layer notation, D3).

    Departures:
        003 says that overlaps are averaged; they are added.
    """
    N, C, H, W = x.shape
    _, K_group, FH, FW = w.shape
    filters = w.reshape(groups, C // groups, K_group, FH, FW)
    H_out = conv_transpose_output_size(H, FH, stride, pad)
    W_out = conv_transpose_output_size(W, FW, stride, pad)

    padded = np.zeros((N, groups * K_group, H_out + 2 * pad, W_out + 2 * pad))
    for i in range(H):
        for j in range(W):
            at = _window(i, j, FH, FW, stride)
            numbers = x[:, :, i, j].reshape(N, groups, C // groups)
            padded[at] += np.einsum("ngc,gckuv->ngkuv", numbers, filters).reshape(N, -1, FH, FW)
    out = padded[:, :, pad : pad + H_out, pad : pad + W_out] + b[:, None, None]
    return out, (x, w, stride, pad, groups)


def conv_transpose_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """dx is the convolution of dout; every filter collects what lies where it was put down.

    Args:
        dout: (N, K, H', W').
        cache: From `conv_transpose_forward`.

    Returns:
        dx, (N, C, H, W); dw, (C, K/G, F, F); db, (K,).
    """
    x, w, stride, pad, groups = cache
    N, C, H, W = x.shape
    _, K_group, FH, FW = w.shape
    filters = w.reshape(groups, C // groups, K_group, FH, FW)
    padded = np.pad(dout, ((0, 0), (0, 0), (pad, pad), (pad, pad)))

    dx, dfilters = np.zeros(x.shape), np.zeros(filters.shape)
    for i in range(H):
        for j in range(W):
            window = padded[_window(i, j, FH, FW, stride)].reshape(N, groups, K_group, FH, FW)
            numbers = x[:, :, i, j].reshape(N, groups, C // groups)
            dx[:, :, i, j] = np.einsum("ngkuv,gckuv->ngc", window, filters).reshape(N, C)
            dfilters += np.einsum("ngc,ngkuv->gckuv", numbers, window)
    return dx, dfilters.reshape(w.shape), dout.sum(axis=(0, 2, 3))


def affine_to_conv(W: Array, C: int, H: int, width: int) -> Array:
    """A fully connected layer as a convolution whose filters cover the whole input.

    Args:
        W: (D, K) with D = C H width.
        C: Channels of the input.
        H: Rows of the input.
        width: Columns of the input.

    Returns:
        Filters, (K, C, H, width); their output has one position. The biases stay as they are.

    Example:
        >>> affine_to_conv(np.zeros((7 * 7 * 512, 4096)), 512, 7, 7).shape
        (4096, 512, 7, 7)

    Source:
        LECTURES D1.
    """
    return W.T.reshape(-1, C, H, width)


def conv_to_affine(
    w: Array, b: Array, C: int, H: int, width: int, stride: int = 1, pad: int = 0
) -> tuple[Array, Array]:
    """A convolution as a fully connected layer: the same few weights again and again, and zeros everywhere else.

    Row d of the matrix is what the convolution makes of an image that is 1 in pixel d and 0 elsewhere.

    Args:
        w: Filters, (K, C, F, F).
        b: (K,).
        C: Channels of the input.
        H: Rows of the input.
        width: Columns of the input.
        stride: S.
        pad: P.

    Returns:
        W, (C H width, K H' W'), and b, (K H' W',), of the affine layer.

    Example:
        >>> W, b = conv_to_affine(np.array([[[[1.0, 2.0]]]]), np.array([5.0]), C=1, H=1, width=3)
        >>> print(W.T, b)
        [[1. 2. 0.]
         [0. 1. 2.]] [5. 5.]

    Source:
        LECTURES D1.
    """
    D = C * H * width
    out, _ = conv_forward(np.eye(D).reshape(D, C, H, width), w, np.zeros(len(b)), stride, pad)
    positions = out.shape[2] * out.shape[3]
    return out.reshape(D, -1), np.repeat(b, positions)


def _window(i: int, j: int, FH: int, FW: int, stride: int, dilation: int = 1) -> tuple[slice, ...]:
    """Where the window of position (i, j) lies in (N, C, H, W)."""
    top, left = i * stride, j * stride
    rows = slice(top, top + dilation * (FH - 1) + 1, dilation)
    columns = slice(left, left + dilation * (FW - 1) + 1, dilation)
    return slice(None), slice(None), rows, columns
