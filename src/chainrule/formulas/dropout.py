"""Dropout, inverted.

Source:
    LECTURES C7.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def dropout_forward(x: Array, p: float, keep: Array) -> tuple[Array, tuple[Array, float]]:
    """While training: out = x keep / (1 - p), with keep 0 at a share p of the places and 1 elsewhere.

    p is the probability of dropping. At test time nothing is done: the division has kept the mean.

    Departures:
        003's p is that of keeping, and it multiplies test weights by 1/p: by the keep probability is meant.
    """
    return x * keep / (1 - p), (keep, p)


def dropout_backward(dout: Array, cache: tuple[Array, float]) -> Array:
    """dx = dout keep / (1 - p)."""
    keep, p = cache
    return dout * keep / (1 - p)
