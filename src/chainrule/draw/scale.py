"""Axes: where a value falls between 0 and 1, and which round numbers are written beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic axis from `low` to `high`.

    Example:
        >>> Scale(0.0, 4.0).place(np.array([1.0, 4.0])).tolist()
        [0.25, 1.0]
        >>> Scale(1.0, 100.0, log=True).place(np.array([10.0])).tolist()
        [0.5]
    """

    low: float
    high: float
    log: bool = False

    def place(self, values: Array) -> Array:
        """Return where values fall: 0 at `low`, 1 at `high`; NaN for what a logarithmic axis cannot show."""
        low, high, shown = self.low, self.high, values
        if self.log:
            low, high = math.log10(low), math.log10(high)
            shown = np.log10(np.where(values > 0, values, np.nan))
        # Halves first: the range of two huge numbers may be more than a float holds.
        return (shown / 2 - low / 2) / (high / 2 - low / 2)

    def ticks(self, count: int = 5) -> list[float]:
        """Return about `count` round numbers on the axis.

        Example:
            >>> Scale(0.0, 9.7).ticks(), Scale(0.02, 3.0, log=True).ticks()
            ([0.0, 2.0, 4.0, 6.0, 8.0], [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0])
        """
        return _log_ticks(self.low, self.high, count) if self.log else _linear_ticks(self.low, self.high, count)


def _linear_ticks(low: float, high: float, count: int) -> list[float]:
    rough = high / count - low / count
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 0.0
    if power == 0.0 or not math.isfinite(power):
        return [low]
    step = next((factor * power for factor in (1, 2, 5) if factor * power >= rough * 0.9), 10 * power)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Through text, so that 3 * 0.1 is 0.3.
    return [float(f"{number * step:.12g}") for number in range(first, min(last, first + 20) + 1)]


def _log_ticks(low: float, high: float, count: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = math.log10(high) - math.log10(low)
    if decades > 2.4:
        every = max(1, math.ceil((last - first) / count))
        found = [10.0**power for power in range(first, last + 1, every) if -300 < power < 300]
    else:
        found = [float(f"{factor}e{power}") for power in range(first, last + 1) for factor in (1, 2, 5)]
    found = [tick for tick in found if low * 0.999 <= tick <= high * 1.001]
    return found if len(found) >= 2 else _linear_ticks(low, high, count)


def y_scale(values: Array, *, log: bool = False, share: bool = False) -> Scale:
    """Return an axis on which all finite values have room.

    Args:
        values: Whatever is drawn.
        log: Logarithmic, if there are positive values.
        share: The values are shares: the axis ends at 1 rather than above.

    Example:
        >>> y_scale(np.array([0.0, 10.0, np.nan]))
        Scale(low=-0.5, high=10.5, log=False)
        >>> y_scale(np.array([0.25, 1.0]), share=True).high
        1.0
    """
    finite = values[np.isfinite(values)]
    if log and (positive := finite[finite > 0]).size:
        low, high = float(positive.min()), float(positive.max())
        if high > low:
            room = (high / low) ** 0.04
            return Scale(max(low / room, 5e-324), min(high * room, 1.7e308), log=True)
        return Scale(low / 2, min(high * 2, 1.7e308), log=True)
    if not finite.size:
        return Scale(0.0, 1.0)
    low, high = float(finite.min()), float(finite.max())
    room = (high / 2 - low / 2) * 0.1 if high > low else max(abs(high) * 0.1, 1e-12 if high else 1.0)
    top = min(high + room, 1.0) if share and high <= 1 else high + room
    bottom = max(low - room, 0.0) if share and low >= 0 else low - room
    return Scale(max(bottom, -1.7e308), min(top, 1.7e308)) if top > bottom else Scale(bottom - 1, top + 1)


def wants_log(values: Array) -> bool:
    """Return whether values span so much that a linear axis would show only the largest.

    Example:
        >>> wants_log(np.array([1e-4, 2e-4, 1e-4, 3.0])), wants_log(np.array([1.0, 2.0, 3.0])), wants_log(np.array([]))
        (True, False, False)
    """
    finite = values[np.isfinite(values)]
    if finite.size < 3 or float(finite.min()) <= 0:
        return False
    return bool(float(finite.max()) > 40 * float(np.median(finite)))
