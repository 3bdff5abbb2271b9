"""Dropout: while training, each activation is dropped with probability p."""

from __future__ import annotations

import numpy as np

from chainrule.core.errors import UsageError
from chainrule.formulas._array import Array, Cache


def dropout_forward(x: Array, p: float, rng: np.random.Generator) -> tuple[Array, Cache]:
    """out = x mask / (1 - p), where the mask keeps each element with probability 1 - p.

    This is inverted dropout: divided by the keep probability while training, the expected value of out is x, and at
    test time nothing is left to do: out = x.

    Args:
        x: Any shape.
        p: Probability of dropping, at least 0 and below 1.
        rng: Source of the draws.

    Returns:
        Shape of x; and the cache.

    Raises:
        UsageError: p is not a probability below 1.

    Example:
        >>> out, cache = dropout_forward(np.ones(8), p=0.5, rng=np.random.default_rng(0))
        >>> print(out)
        [2. 0. 0. 0. 2. 2. 2. 2.]

    Source:
        LECTURES C7.

    Departures:
        003's p is the probability of keeping. It says to multiply the test weights by 1/p; dropout that does not divide
        while training multiplies them by the keep probability.
    """
    if not 0 <= p < 1:
        raise UsageError("dropout needs a probability of dropping", expected="0 <= p < 1", got=p)
    mask = (rng.random(x.shape) >= p) / (1 - p)
    return x * mask, mask


def dropout_backward(dout: Array, cache: Cache) -> Array:
    """What was kept and scaled passes its gradient on, scaled alike.

    Args:
        dout: Shape of x.
        cache: From `dropout_forward`.

    Returns:
        dx, shape of x.
    """
    mask = cache
    return dout * mask
