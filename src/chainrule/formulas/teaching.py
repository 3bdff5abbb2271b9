"""Scheduled sampling: the share of inputs that are the ground truth after i steps; the others are the network's own.

    >>> [round(linear_share(i, slope=0.1), 2) for i in (0, 5, 20)]
    [1.0, 0.5, 0.0]

Source: LECTURES G4. Bengio et al. 2015, Scheduled sampling for sequence prediction with recurrent neural networks, 2.4.
"""

from __future__ import annotations

import math


def linear_share(i: float, slope: float, begin: float = 1.0, least: float = 0.0) -> float:
    """Return max(least, begin - slope i)."""
    return max(least, begin - slope * i)


def exponential_share(i: float, k: float) -> float:
    """Return k^i, k < 1.

    Example:
        >>> [exponential_share(i, 0.5) for i in (0, 1, 3)]
        [1.0, 0.5, 0.125]
    """
    return k**i


def inverse_sigmoid_share(i: float, k: float) -> float:
    """Return k / (k + exp(i/k)), k >= 1: nearly 1 for long, falling fastest at i = k ln k.

    Example:
        >>> round(inverse_sigmoid_share(10 * math.log(10), 10), 3)
        0.5
    """
    return k / (k + math.exp(i / k))
