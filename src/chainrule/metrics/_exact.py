"""Sums of floating-point numbers without rounding, so that neither order nor grouping shows in the last bit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

UNIT = 1200
"""Sums are whole numbers of 2**-UNIT; the smallest float64 is 2**-1074, and frexp's mantissa has 53 bits."""


def exact_sum(values: NDArray[np.float64]) -> int:
    """Return the sum of finite numbers as a whole number of 2**-UNIT.

    Each number is mantissa * 2**exponent. The mantissas of each exponent are added as integers, in two halves, so that
    2**36 numbers fit; Python's integers have room for all exponents.

    Args:
        values: Any shape, finite.

    Example:
        >>> numbers = np.array([1e100, 1.0, -1e100])
        >>> float(numbers.sum()), as_float(exact_sum(numbers))
        (0.0, 1.0)
    """
    fractions, exponents = np.frexp(values.ravel())
    mantissas = np.ldexp(fractions, 53).astype(np.int64)  # exact
    kinds, which = np.unique(exponents, return_inverse=True)
    high, low = np.zeros(len(kinds), np.int64), np.zeros(len(kinds), np.int64)
    np.add.at(high, which, mantissas >> 27)
    np.add.at(low, which, mantissas & (2**27 - 1))
    parts = zip(kinds.tolist(), high.tolist(), low.tolist())
    return sum(((upper << 27) + lower) << (UNIT - 53 + exponent) for exponent, upper, lower in parts)


def as_float(total: int) -> float:
    """Return the float64 nearest to a whole number of 2**-UNIT; infinite where there is none."""
    return ratio(total, 1 << UNIT)


def ratio(total: int, count: int) -> float:
    """Return the float64 nearest to total / count, rounded once; infinite where it is out of range."""
    try:
        return float(Fraction(total, count))
    except OverflowError:
        return float("inf") if total > 0 else float("-inf")
