"""Activations, forward and backward: `out, cache`, then `dout -> dx`.

Source:
    LECTURES C4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_GELU = np.sqrt(2 / np.pi)


def sigmoid_forward(x: Array) -> tuple[Array, Array]:
    """1 / (1 + e^-x); saturates on both sides, and is not zero-centred."""
    out = 0.5 * (1 + np.tanh(x / 2))
    return out, out


def sigmoid_backward(dout: Array, out: Array) -> Array:
    """dx = dout s (1 - s)."""
    return dout * out * (1 - out)


def tanh_forward(x: Array) -> tuple[Array, Array]:
    """tanh x; saturates, zero-centred."""
    out = np.tanh(x)
    return out, out


def tanh_backward(dout: Array, out: Array) -> Array:
    """dx = dout (1 - tanh^2)."""
    return dout * (1 - out**2)


def relu_forward(x: Array) -> tuple[Array, Array]:
    """max(0, x)."""
    return np.maximum(0, x), x


def relu_backward(dout: Array, x: Array) -> Array:
    """dx = dout where x > 0."""
    return dout * (x > 0)


def leaky_relu_forward(x: Array, slope: float = 0.1) -> tuple[Array, tuple[Array, float]]:
    """x where x > 0, else slope x."""
    return np.where(x > 0, x, slope * x), (x, slope)


def leaky_relu_backward(dout: Array, cache: tuple[Array, float]) -> Array:
    """dx = dout where x > 0, else slope dout."""
    x, slope = cache
    return dout * np.where(x > 0, 1.0, slope)


def elu_forward(x: Array, alpha: float = 1.0) -> tuple[Array, tuple[Array, float]]:
    """x where x > 0, else alpha (e^x - 1)."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), (x, alpha)


def elu_backward(dout: Array, cache: tuple[Array, float]) -> Array:
    """dx = dout where x > 0, else dout alpha e^x."""
    x, alpha = cache
    return dout * np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))


def gelu_forward(x: Array) -> tuple[Array, Array]:
    """x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the tanh form."""
    return 0.5 * x * (1 + np.tanh(_GELU * (x + 0.044715 * x**3))), x


def gelu_backward(dout: Array, x: Array) -> Array:
    """The product rule on x/2 and 1 + tanh u, with du/dx = sqrt(2/pi) (1 + 3 * 0.044715 x^2)."""
    th = np.tanh(_GELU * (x + 0.044715 * x**3))
    du = _GELU * (1 + 3 * 0.044715 * x**2)
    return dout * (0.5 * (1 + th) + 0.5 * x * (1 - th**2) * du)


def maxout_forward(x: Array, k: int) -> tuple[Array, tuple[Array, int]]:
    """The largest of each k consecutive features: (N, D) -> (N, D/k)."""
    groups = x.reshape(len(x), -1, k)
    return groups.max(axis=2), (x, k)


def maxout_backward(dout: Array, cache: tuple[Array, int]) -> Array:
    """dout goes to the largest of each group; of equal ones to the first."""
    x, k = cache
    groups = x.reshape(len(x), -1, k)
    dx = np.zeros_like(groups)
    np.put_along_axis(dx, groups.argmax(axis=2)[..., None], dout[..., None], axis=2)
    return dx.reshape(x.shape)
