"""The affine (fully connected, linear) layer: out = x W + b."""

from __future__ import annotations

from chainrule.formulas._array import Array, Cache


def affine_forward(x: Array, W: Array, b: Array) -> tuple[Array, Cache]:
    """out = x W + b. As a linear classifier, column k of W is the template of class k.

    Args:
        x: Examples of any shape, (N, ...), with D numbers each.
        W: (D, K).
        b: (K,).

    Returns:
        (N, K); and the cache.

    Example:
        >>> import numpy as np
        >>> W, b = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 3.0]]), np.ones(3)
        >>> print(affine_forward(np.array([[1.0, 2.0]]), W, b)[0])
        [[2. 3. 9.]]

    Source:
        LECTURES A3.

    Departures:
        A3 writes W x + b for one column x. Here examples are rows, as in the courses' code; torch keeps W transposed.
    """
    rows = x.reshape(len(x), -1)  # (N, D)
    return rows @ W + b, (x, W)


def affine_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """dx = dout W^T, dW = x^T dout, db = sum of dout: the only products whose shapes fit.

    Args:
        dout: (N, K).
        cache: From `affine_forward`.

    Returns:
        dx, shape of x; dW, (D, K); db, (K,).
    """
    x, W = cache
    rows = x.reshape(len(x), -1)  # (N, D)
    return (dout @ W.T).reshape(x.shape), rows.T @ dout, dout.sum(axis=0)
