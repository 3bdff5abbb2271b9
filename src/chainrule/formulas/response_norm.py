"""Local response normalization, as AlexNet has it: neighboring channels damp each other."""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array, Cache


def local_response_norm_forward(
    x: Array, n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75
) -> tuple[Array, Cache]:
    """out_i = x_i / (k + alpha sum_j x_j^2)^beta, the sum over the n channels around channel i.

    Args:
        x: (N, C, H, W).
        n: Channels in the sum, odd; fewer at both ends.
        k: Added constant.
        alpha: Factor of the sum.
        beta: Exponent.

    Returns:
        (N, C, H, W); and the cache.

    Example:
        >>> out, cache = local_response_norm_forward(np.full((1, 1, 1, 1), 100.0))
        >>> print(out.round(4).item(), round(100 / (2 + 1e-4 * 100**2) ** 0.75, 4))
        43.8691 43.8691

    Source:
        LECTURES C6, D5.

    Departures:
        torch divides alpha by n, and its k is 1 unless told.
    """
    base = np.full(x.shape, k, dtype=np.float64)
    for i in range(x.shape[1]):
        base[:, i] += alpha * (x[:, _around(i, n)] ** 2).sum(axis=1)
    return x * base**-beta, (x, base, n, alpha, beta)


def local_response_norm_backward(dout: Array, cache: Cache) -> Array:
    """Straight through its own channel, and through the sums of all channels that it is a neighbor of.

    Args:
        dout: (N, C, H, W).
        cache: From `local_response_norm_forward`.

    Returns:
        dx, (N, C, H, W).
    """
    x, base, n, alpha, beta = cache
    dbase = dout * x * -beta * base ** (-beta - 1)
    dx = dout * base**-beta
    for i in range(x.shape[1]):
        near = _around(i, n)
        dx[:, near] += dbase[:, i : i + 1] * alpha * 2 * x[:, near]
    return dx


def _around(i: int, n: int) -> slice:
    """The n channels around channel i that exist."""
    return slice(max(0, i - n // 2), i + n // 2 + 1)
