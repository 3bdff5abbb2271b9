"""Activations: what makes a network more than one affine layer. All but maxout act on each number alone.

`out, cache = relu_forward(x)` goes forward, `relu_backward(dout, cache)` gives dx; x has any shape.
"""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array, Cache


def sigmoid_forward(x: Array) -> tuple[Array, Cache]:
    """sigma(x) = 1 / (1 + e^{-x}). Saturates at both ends, is not zero-centered.

    Returns:
        Between 0 and 1, shape of x; and the cache.

    Example:
        >>> print(sigmoid_forward(np.array([-1e4, 0.0, 1e4]))[0])
        [0.  0.5 1. ]

    Source:
        LECTURES C4.
    """
    out = np.exp(-np.logaddexp(0, -x))  # log(1 + e^{-x}) without overflow
    return out, out


def sigmoid_backward(dout: Array, cache: Cache) -> Array:
    """dx = sigma (1 - sigma) dout: at most a quarter of dout."""
    out = cache
    return dout * out * (1 - out)


def tanh_forward(x: Array) -> tuple[Array, Cache]:
    """tanh(x). Saturates at both ends, is zero-centered.

    Returns:
        Between -1 and 1, shape of x; and the cache.

    Example:
        >>> print(tanh_forward(np.array([-1e4, 0.0, 1e4]))[0])
        [-1.  0.  1.]

    Source:
        LECTURES C4.
    """
    out = np.tanh(x)
    return out, out


def tanh_backward(dout: Array, cache: Cache) -> Array:
    """dx = (1 - tanh^2) dout."""
    out = cache
    return dout * (1 - out**2)


def relu_forward(x: Array) -> tuple[Array, Cache]:
    """max(0, x). Does not saturate for x > 0; a unit that is negative on all data is dead.

    Returns:
        Shape of x; and the cache.

    Example:
        >>> print(relu_forward(np.array([-2.0, 0.0, 3.0]))[0])
        [0. 0. 3.]

    Source:
        LECTURES C4.
    """
    return np.maximum(0, x), x


def relu_backward(dout: Array, cache: Cache) -> Array:
    """dout passes where x > 0; at the kink itself nothing does."""
    x = cache
    return dout * (x > 0)


def leaky_relu_forward(x: Array, slope: float = 0.1) -> tuple[Array, Cache]:
    """max(slope x, x). Does not die.

    Args:
        x: Any shape.
        slope: For x < 0, between 0 and 1.

    Returns:
        Shape of x; and the cache.

    Example:
        >>> print(leaky_relu_forward(np.array([-2.0, 0.0, 3.0]))[0])
        [-0.2  0.   3. ]

    Source:
        LECTURES C4.

    Departures:
        torch's slope is 0.01 unless told; the notes have 0.1.
    """
    return np.maximum(slope * x, x), (x, slope)


def leaky_relu_backward(dout: Array, cache: Cache) -> Array:
    """dout where x > 0, elsewhere slope dout."""
    x, slope = cache
    return dout * np.where(x > 0, 1, slope)


def maxout_forward(x: Array, k: int = 2) -> tuple[Array, Cache]:
    """out_i = the largest of k consecutive channels, as max(w1 x + b1, w2 x + b2) after an affine layer.

    Args:
        x: (N, C) or (N, C, H, W), C a multiple of k.
        k: Channels that compete.

    Returns:
        (N, C/k) or (N, C/k, H, W); and the cache.

    Example:
        >>> print(maxout_forward(np.array([[1.0, 3.0, -2.0, -5.0]]))[0])
        [[ 3. -2.]]

    Source:
        LECTURES C4.
    """
    N, C, *rest = x.shape
    pieces = x.reshape(N, C // k, k, *rest)
    return pieces.max(axis=2), pieces


def maxout_backward(dout: Array, cache: Cache) -> Array:
    """Max routes: the winner receives dout, the others nothing; of equal ones the first wins."""
    pieces = cache
    winner = np.expand_dims(pieces.argmax(axis=2), 2)
    dpieces = np.zeros(pieces.shape)
    np.put_along_axis(dpieces, winner, np.expand_dims(dout, 2), axis=2)
    N, M, k, *rest = pieces.shape
    return dpieces.reshape(N, M * k, *rest)


def elu_forward(x: Array, alpha: float = 1.0) -> tuple[Array, Cache]:
    """x for x > 0, else alpha (e^x - 1). Closer to zero mean; saturates on the left.

    Args:
        x: Any shape.
        alpha: The value on the far left is -alpha.

    Returns:
        Shape of x; and the cache.

    Example:
        >>> print(elu_forward(np.array([-1e4, 0.0, 3.0]))[0])
        [-1.  0.  3.]

    Source:
        LECTURES C4.
    """
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), (x, alpha)


def elu_backward(dout: Array, cache: Cache) -> Array:
    """dout where x > 0, elsewhere alpha e^x dout."""
    x, alpha = cache
    return dout * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))


def gelu_forward(x: Array) -> tuple[Array, Cache]:
    """0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): x times about the chance that a standard normal is below x.

    Returns:
        Shape of x, above -0.2; and the cache.

    Example:
        >>> print(gelu_forward(np.array([-1.0, 0.0, 1.0]))[0].round(4))
        [-0.1588  0.      0.8412]

    Source:
        LECTURES C4 (tanh form).
    """
    tanh = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    return 0.5 * x * (1 + tanh), (x, tanh)


def gelu_backward(dout: Array, cache: Cache) -> Array:
    """The product rule: 0.5 (1 + tanh) + 0.5 x (1 - tanh^2) sqrt(2/pi) (1 + 3 * 0.044715 x^2)."""
    x, tanh = cache
    dinner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
    return dout * (0.5 * (1 + tanh) + 0.5 * x * (1 - tanh**2) * dinner)
