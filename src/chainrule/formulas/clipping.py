"""Gradient clipping: a safe step where the gradient explodes."""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array


def clip_by_value(g: Array, c: float) -> Array:
    """g_i <- max(min(g_i, c), -c). The direction may change.

    Args:
        g: Gradient, any shape.
        c: Largest absolute value of an element, above 0.

    Returns:
        The clipped gradient, shape of g.

    Example:
        >>> print(clip_by_value(np.array([3.0, -0.5, -4.0]), 1.0))
        [ 1.  -0.5 -1. ]

    Source:
        LECTURES B10.
    """
    return np.maximum(np.minimum(g, c), -c)


def clip_by_norm(g: Array, c: float) -> Array:
    """g <- g min(||g||, c) / ||g||. The direction stays.

    Args:
        g: Gradient of all weights together, any shape.
        c: Largest norm, above 0.

    Returns:
        The clipped gradient, shape of g; a zero gradient stays zero.

    Example:
        >>> print(clip_by_norm(np.array([3.0, 4.0]), 1.0), clip_by_norm(np.array([0.3, 0.4]), 1.0))
        [0.6 0.8] [0.3 0.4]

    Source:
        LECTURES B10.

    Departures:
        001 compares the squared norm with the threshold; the norm itself is meant.
    """
    norm = np.sqrt((g**2).sum())
    if norm <= c:
        return g.copy()
    return g * c / norm
