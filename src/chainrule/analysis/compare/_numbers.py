"""How far two results are from each other, and whether one explains the other."""

from __future__ import annotations

from typing import Any

import numpy as np

TOLERANCE = 1e-6
"""Relative error up to which numbers agree, in float64."""
SINGLE = 2e-3
"""The same for code that computes in float32."""
SMALL = 1e-4
"""Errors are measured against the largest number of the result, or against this if all are smaller."""


def error(found: Any, wanted: Any) -> float:
    """Largest difference over the largest number; infinite where shapes or non-finite places differ.

    Example:
        >>> error(np.array([1.0, 2.2]), np.array([1.0, 2.0]))
        0.1
        >>> error(np.zeros(2), np.zeros(3))
        inf
    """
    a, b = np.asarray(found), np.asarray(wanted)
    if a.shape != b.shape or a.dtype.kind not in "biuf":
        return float("inf")
    if a.size == 0:
        return 0.0
    a, b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    scale = max(float(np.abs(b[finite]).max()), SMALL)
    return round(float(np.abs(a[finite] - b[finite]).max()) / scale, 15)


def factor(found: Any, wanted: Any) -> float | None:
    """The c for which found = c wanted, or None where there is none.

    Example:
        >>> factor(np.array([2.0, 4.0]), np.array([1.0, 2.0]))
        2.0
    """
    a, b = np.asarray(found, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    if a.shape != b.shape or not np.isfinite(a).all() or np.abs(b).max(initial=0) < SMALL:
        return None
    c = float((a * b).sum() / (b * b).sum())
    return round(c, 12) if error(a, c * b) <= TOLERANCE and c else None
