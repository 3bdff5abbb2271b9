"""What a function of one number is worth as an activation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.analysis._activation_source import Activation
from chainrule.formulas._array import Array

Places = NDArray[np.bool_]

REACH: Final = 10.0
"""The function is looked at from -10 to 10, and for its ends far beyond."""
POINTS: Final = 100_000
KINK: Final = 1e-4
"""Slopes on two sides that differ by more than this share of the largest slope make a kink."""
FAR: Final = (1e2, 1e3, 1e4)
MOST_PLACES: Final = 12


@dataclass(frozen=True)
class ActivationReport:
    """The report of C4.

    Args:
        name: Of the function.
        finite: Whether it is a finite number at every place from -10 to 10.
        linear: Whether it is a straight line there.
        zero_share: How much of a standard normal input has no gradient, 0 to 1.
        zero_on: Where the gradient is zero, from -10 to 10, as (from, to).
        saturates: Side ("left", "right") -> the value that it comes to there.
        mean: Of the output for a standard normal input.
        deviation: Of the same.
        zero_centered: Whether that mean is within a hundredth of the deviation.
        monotone: increasing, decreasing, constant, or "" where it is none.
        kinks: Where the slope jumps: (place, slope before, slope after).
        jumps: Where the value jumps.
        slopes: The smallest and the largest derivative from -10 to 10.
        slope_grows: Whether the derivative grows without bound.
        exact: Whether the derivative is exact, not of differences.
        operations: How many operations compute it, where that is known.
        serves: Whether it can be an activation.
        why: The reasons against it, or what to know about it.
    """

    name: str
    finite: bool
    linear: bool
    zero_share: float
    zero_on: tuple[tuple[float, float], ...]
    saturates: Mapping[str, float]
    mean: float
    deviation: float
    zero_centered: bool
    monotone: str
    kinks: tuple[tuple[float, float, float], ...]
    jumps: tuple[float, ...]
    slopes: tuple[float, float]
    slope_grows: bool
    exact: bool
    operations: int | None
    serves: bool
    why: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data; numbers that are not finite are None."""
        return _plain(asdict(self))


def report_activation(function: Activation) -> ActivationReport:
    """Look at a function from -10 to 10 and at its ends, and judge it.

    Args:
        function: With its derivative.

    Example:
        >>> from chainrule.analysis import find_activation
        >>> [report_activation(find_activation(text)).serves for text in ("max(0.25*x, 0.75*x)", "min(0, x)", "0.7*x")]
        [True, True, False]

    Source:
        LECTURES C4; the items of 001 2.4.
    """
    h = 2 * REACH / POINTS
    x = np.linspace(-REACH + h / 2, REACH - h / 2, POINTS)  # never exactly at 0 or 1, where kinks like to be
    with np.errstate(all="ignore"):
        value, slope = function.value(x), function.slope(x)
        known = np.isfinite(value) & np.isfinite(slope)
        if not known.any():
            return _nowhere(function)
        facts = {"finite": bool(known.all()), **_facts(function, x[known], value[known], slope[known], h)}
    against = _against(facts)
    return ActivationReport(
        function.name,
        **facts,
        exact=function.exact,
        operations=function.operations,
        serves=not against,
        why=tuple(against or _to_know(facts)),
    )


def _facts(function: Activation, x: Array, value: Array, slope: Array, h: float) -> dict[str, Any]:
    # A slope that is rounding of values of this height is none.
    size = max(float(np.abs(slope).max()), 1e-9 * float(np.ptp(value)), 1e-300)
    nothing = max(1e-12 * size if function.exact else 1e-6 * max(size, 1.0), 1e-11 * float(np.ptp(value)))
    jumps = _places(function.value, x, value, max(float(np.ptp(value)), 1e-12) * 1e-6)
    flat: Places = np.abs(slope) <= nothing
    if function.exact:
        bends = _places(function.slope, x, slope, KINK * size)
    else:  # differences make a ramp of a kink: it is looked at from just outside, and belongs to neither side
        bends = _places(function.slope, x, slope, 100 * KINK * size, rounds=2, outside=2e-5)
        flat = flat & ~_near(x, [*bends, *jumps], 2e-5)
    saturates, grows = _ends(function, size, nothing)
    weights = np.exp(-(x**2) / 2)
    weights = weights / weights.sum()
    mean = float(weights @ value)
    deviation = math.sqrt(max(float(weights @ (value - mean) ** 2), 0.0))
    return {
        "linear": _is_line(x, value),
        "zero_share": float(weights[flat].sum()),
        "zero_on": _intervals(x, flat, h),
        "saturates": saturates,
        "mean": mean,
        "deviation": deviation,
        "zero_centered": bool(abs(mean) <= 0.01 * deviation) and deviation > 0,
        "monotone": _direction(value),
        "kinks": tuple(_sides(function.slope, place) for place in bends if not _among(place, jumps)),
        "jumps": tuple(jumps),
        "slopes": (float(slope.min()), float(slope.max())),
        "slope_grows": grows,
    }


def _nowhere(function: Activation) -> ActivationReport:
    nan = float("nan")
    return ActivationReport(
        function.name, False, False, nan, (), {}, nan, nan, False, "", (), (), (nan, nan), False, function.exact,
        function.operations, False, ("it is no finite number anywhere from -10 to 10",),
    )  # fmt: skip


def _is_line(x: Array, value: Array) -> bool:
    """Whether the values are those of a x + b."""
    a, b = np.polyfit(x, value, 1)
    size = max(float(np.abs(value).max()), 1e-300)
    return bool(np.abs(value - (a * x + b)).max() <= 1e-9 * size)


def _places(
    function: Callable[[Array], Array], x: Array, found: Array, least: float, *, rounds: int = 45, outside: float = 0.0
) -> list[float]:
    """Where a function jumps by more than `least`: looked for between neighbors, and then ever nearer."""
    steps = np.abs(np.diff(found))
    near = np.flatnonzero(steps > least)
    near = near[np.argsort(-steps[near], kind="stable")][:400]
    low, high = x[near], x[near + 1]
    for _ in range(rounds):
        middle = (low + high) / 2
        left, here, right = function(low), function(middle), function(high)
        first = np.isnan(here) | (np.abs(here - left) >= np.abs(right - here))  # undefined there: a jump as well
        low, high = np.where(first, low, middle), np.where(first, middle, high)
    still = ~(np.abs(function(high + outside) - function(low - outside)) <= least)
    places = sorted(((low + high) / 2)[still].tolist())
    apart: list[float] = []
    for place in places:
        place = 0.0 if abs(place) < max(1e-7, 5 * outside) else float(f"{place:.{4 if outside else 6}g}")
        if not _among(place, apart):
            apart.append(place)
    return apart[:MOST_PLACES]


def _among(place: float, places: list[float]) -> bool:
    return any(abs(place - other) < 1e-3 for other in places)


def _near(x: Array, places: list[float], width: float) -> Places:
    found = np.zeros(len(x), dtype=bool)
    for place in places:
        found |= np.abs(x - place) <= width
    return found


def _sides(slope: Callable[[Array], Array], place: float) -> tuple[float, float, float]:
    before, after = slope(np.array([place - 1e-4, place + 1e-4])).tolist()
    return place, float(f"{before:.4g}"), float(f"{after:.4g}")


def _intervals(x: Array, flat: Places, h: float) -> tuple[tuple[float, float], ...]:
    """Where the gradient is zero; single points and what lies beyond 6 deviations on its own are left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(int)))
    found = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist()):
        low, high = float(x[start]) - h / 2, float(x[end - 1]) + h / 2
        if end - start >= 10 and (low * high < 0 or min(abs(low), abs(high)) < 6):
            found.append((round(low, 3) + 0.0, round(high, 3) + 0.0))
    return tuple(found[:MOST_PLACES])


def _ends(function: Activation, size: float, nothing: float) -> tuple[dict[str, float], bool]:
    """The values that it comes to on both sides, and whether its slope grows for ever."""
    found, grows = {}, False
    for side, sign in (("left", -1.0), ("right", 1.0)):
        x = sign * np.array([REACH, *FAR])
        value, slope = function.value(x), np.abs(function.slope(x))
        if not np.isfinite(value).all():
            grows = grows or bool(np.isinf(value).any())
            continue
        scale = max(abs(float(value[-1])), 1e-6)
        if abs(float(value[-1] - value[-2])) <= 1e-3 * scale and float(slope[-1]) <= max(1e-3 * size, nothing):
            found[side] = float(f"{value[-1]:.4g}") + 0.0
        grows = grows or bool(slope[-1] > 5 * max(slope[-2], 1e-12) or np.isnan(slope).any())
    return found, grows


def _direction(value: Array) -> str:
    steps = np.diff(value)
    least = 1e-12 * max(float(np.abs(value).max()), 1e-300)
    up, down = bool((steps > least).any()), bool((steps < -least).any())
    return "" if up and down else "increasing" if up else "decreasing" if down else "constant"


def _against(facts: Mapping[str, Any]) -> list[str]:
    """What makes a function no activation."""
    found = []
    if not facts["finite"]:
        found.append("it is not a finite number everywhere from -10 to 10")
    if facts["linear"]:
        found.append("it is linear: layers with it between them are one linear layer")
    elif facts["zero_share"] > 0.999:
        found.append("its gradient is zero almost everywhere: nothing before it learns")
    elif facts["jumps"]:
        found.append("its value jumps, and the gradient does not see the jump")
    return found


def _to_know(facts: Mapping[str, Any]) -> list[str]:
    """What to know of a function that serves."""
    found = ["it is not linear and has a gradient"]
    if facts["zero_share"] > 1e-3:
        found.append(f"a unit whose inputs all lie where the gradient is zero ({_where(facts['zero_on'])}) is dead")
    if facts["slope_grows"]:
        found.append("its gradient grows without bound: over several layers it explodes")
    elif max(abs(slope) for slope in facts["slopes"]) < 0.5:
        largest = max(abs(slope) for slope in facts["slopes"])
        found.append(f"its gradient is at most {largest:.3g}: over several layers it vanishes")
    if len(facts["saturates"]) == 2:
        found.append("it saturates on both sides, where learning is slow")
    if not facts["zero_centered"]:
        found.append(f"its output is not zero-centered: the mean is {facts['mean']:.3g}")
    if not facts["monotone"]:
        found.append("it is not monotone")
    return found


def _where(intervals: tuple[tuple[float, float], ...]) -> str:
    return ", ".join(interval_text(low, high) for low, high in intervals[:3])


def interval_text(low: float, high: float) -> str:
    """An interval in words; its ends at -10 and 10 are those of the picture.

    Example:
        >>> interval_text(-10.0, 0.0), interval_text(-1.0, 1.0), interval_text(-10.0, 10.0)
        ('x < 0', '-1 < x < 1', 'everywhere')
    """
    left, right = low > -REACH + 1e-3, high < REACH - 1e-3
    if left and right:
        return f"{low:g} < x < {high:g}"
    return f"x > {low:g}" if left else f"x < {high:g}" if right else "everywhere"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
