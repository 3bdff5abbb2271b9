"""Recurrent networks, one step of time: what was seen before, h, and what is seen now, x, make the next h.

The same weights serve every step, so the gradients of all steps are added. Backpropagation through time calls a step's
backward pass from the last step to the first, and hands `dprev_h` on to the step before.

Shapes: N sequences, D numbers of x, H of h. Gates stand beside each other in the columns of Wx, Wh and b.
"""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array, Cache
from chainrule.formulas.activations import sigmoid_forward


def rnn_step_forward(x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, Cache]:
    """h = tanh(x Wx + prev_h Wh + b).

    Args:
        x: (N, D).
        prev_h: (N, H).
        Wx: (D, H).
        Wh: (H, H).
        b: (H,).

    Returns:
        next_h, (N, H); and the cache.

    Example:
        >>> one = np.ones((1, 1))
        >>> print(rnn_step_forward(one, one, 2 * one, -one, np.zeros(1))[0].round(4))
        [[0.7616]]

    Source:
        LECTURES G1.

    Departures:
        The notes write W h for one column h. Here sequences are rows, as in the courses' code.
    """
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array]:
    """Through tanh', then as an affine layer with two inputs: dh_t/dh_{t-1} = diag(tanh') W_hh.

    Args:
        dnext_h: (N, H), from this step's output and from the next step together.
        cache: From `rnn_step_forward`.

    Returns:
        dx, (N, D); dprev_h, (N, H); dWx, (D, H); dWh, (H, H); db, (H,).

    Source:
        LECTURES G1, C9.

    Departures:
        001 takes all W_hh out of the product as one power; they do not commute with the diag(tanh') between them.
    """
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)  # (N, H)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_step_forward(
    x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Array, Cache]:
    """c = f prev_c + i g and h = o tanh(c), with gates i, f, o = sigmoid and g = tanh of x Wx + prev_h Wh + b.

    The cell c goes from step to step along a sum: where f is near 1, its gradient neither vanishes nor explodes.

    Args:
        x: (N, D).
        prev_h: (N, H).
        prev_c: (N, H).
        Wx: (D, 4H), for i, f, o, g in this order.
        Wh: (H, 4H).
        b: (4H,).

    Returns:
        next_h, (N, H); next_c, (N, H); and the cache.

    Example:
        >>> zero, one = np.zeros((1, 4)), np.ones((1, 1))
        >>> next_h, next_c, cache = lstm_step_forward(one, one, one, zero, zero, np.zeros(4))
        >>> print(next_h.round(4), next_c)
        [[0.2311]] [[0.5]]

    Source:
        LECTURES G2; the order of the gates is that of CS231n.

    Departures:
        003 has h = o c, without tanh, and the order f, i, g, o; torch the order i, f, g, o.
    """
    a = x @ Wx + prev_h @ Wh + b  # (N, 4H)
    ai, af, ao, ag = np.split(a, 4, axis=1)
    i, f, o = (sigmoid_forward(gate)[0] for gate in (ai, af, ao))
    g = np.tanh(ag)
    next_c = f * prev_c + i * g
    tanh_c = np.tanh(next_c)
    return o * tanh_c, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c)


def lstm_step_backward(dnext_h: Array, dnext_c: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array, Array]:
    """c is reached over two paths, from the next step and through h: their gradients are added.

    Args:
        dnext_h: (N, H).
        dnext_c: (N, H).
        cache: From `lstm_step_forward`.

    Returns:
        dx, (N, D); dprev_h, (N, H); dprev_c, (N, H); dWx, (D, 4H); dWh, (H, 4H); db, (4H,).
    """
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c = cache
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)  # (N, H)
    dai = dc * g * i * (1 - i)
    daf = dc * prev_c * f * (1 - f)
    dao = dnext_h * tanh_c * o * (1 - o)
    dag = dc * i * (1 - g**2)
    da = np.concatenate([dai, daf, dao, dag], axis=1)  # (N, 4H)
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def gru_step_forward(x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, Cache]:
    """h = (1 - z) n + z prev_h with n = tanh(x W + r (prev_h U + b)); the gates z and r are sigmoids.

    z keeps the old h, r lets it into the new proposal n.

    Args:
        x: (N, D).
        prev_h: (N, H).
        Wx: (D, 3H), for z, r, n in this order.
        Wh: (H, 3H).
        b: (3H,).

    Returns:
        next_h, (N, H); and the cache.

    Example:
        >>> zero, one = np.zeros((1, 3)), np.ones((1, 1))
        >>> print(gru_step_forward(one, one, zero, zero, np.zeros(3))[0])
        [[0.5]]

    Source:
        LECTURES G3.

    Departures:
        003's "LSTM without an output gate" is not a GRU. Cho et al. 2014 reset before the product, (r prev_h) U; torch
        has the order r, z, n and a second bias outside of r.
    """
    a = x @ Wx  # (N, 3H)
    u = prev_h @ Wh + b  # (N, 3H)
    az, ar, an = np.split(a, 3, axis=1)
    uz, ur, un = np.split(u, 3, axis=1)
    z, r = sigmoid_forward(az + uz)[0], sigmoid_forward(ar + ur)[0]
    n = np.tanh(an + r * un)
    return (1 - z) * n + z * prev_h, (x, prev_h, Wx, Wh, z, r, n, un)


def gru_step_backward(dnext_h: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array]:
    """prev_h is reached over two paths, straight through z and through the gates: their gradients are added.

    Args:
        dnext_h: (N, H).
        cache: From `gru_step_forward`.

    Returns:
        dx, (N, D); dprev_h, (N, H); dWx, (D, 3H); dWh, (H, 3H); db, (3H,).
    """
    x, prev_h, Wx, Wh, z, r, n, un = cache
    dan = dnext_h * (1 - z) * (1 - n**2)  # (N, H)
    daz = dnext_h * (prev_h - n) * z * (1 - z)
    dar = dan * un * r * (1 - r)
    da = np.concatenate([daz, dar, dan], axis=1)  # (N, 3H)
    du = np.concatenate([daz, dar, dan * r], axis=1)
    return da @ Wx.T, dnext_h * z + du @ Wh.T, x.T @ da, prev_h.T @ du, du.sum(axis=0)
