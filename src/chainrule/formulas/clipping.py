"""Clipping gradients.

Source:
    LECTURES B10.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def clip_by_value(g: Array, c: float) -> Array:
    """Each element to [-c, c].

    Example:
        >>> clip_by_value(np.array([3.0, -0.5]), 1.0).tolist()
        [1.0, -0.5]
    """
    return np.clip(g, -c, c)


def clip_by_norm(g: Array, c: float) -> Array:
    """g * min(||g||, c) / ||g||: the direction stays; a gradient of zero stays zero.

    Example:
        >>> clip_by_norm(np.array([3.0, 4.0]), 1.0).round(2).tolist()
        [0.6, 0.8]

    Departures:
        001 compares the squared norm with the threshold; the norm itself is meant.
    """
    norm = float(np.linalg.norm(g))
    return g * min(norm, c) / norm if norm > 0 else g
