r"""The slope of a function along one line, from its values: how steep, how sure, and whether it is a slope at all.

Centred differences D(t) = (g(t) - g(-t)) / 2t have an error of order t^2 from the function's curvature and one of order
1/t from rounding. Neither is known beforehand, so both are measured: D is taken at t, t/2 and t/3, Richardson's
(4 D(t/2) - D(t)) / 3 is the value, the differences among the three and the rounding noise are its error, and where the
error is too large to decide, t becomes ten times smaller.

A kink shows in the slopes to the left and to the right: on a smooth function their difference shrinks with t, at a kink
it stays, at a jump it grows like 1/t.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from chainrule.analysis.gradcheck._problem import Array

Kind = Literal["smooth", "kink", "jump", "unclear", "not finite"]


@dataclass(frozen=True)
class Precision:
    """How finely a function can be looked at.

    Args:
        eps: Relative distance of neighboring numbers.
        steps: Steps in parts of the variable's scale, from large to small.
        tolerance: Relative errors up to this are none.
    """

    eps: float
    steps: tuple[float, ...]
    tolerance: float


DOUBLE = Precision(2.0**-52, (1e-4, 1e-5, 1e-6, 1e-7, 1e-8), 1e-6)
SINGLE = Precision(2.0**-23, (3e-2, 1e-2, 3e-3, 1e-3), 3e-3)
SURE = 8.0
"""A gradient is wrong only where it is off by so many times the error of the measurement."""
BENT = 0.6
"""A difference of left and right slope that keeps this share, when t shrinks to a third, is no curvature."""

SHARP = 0.99
"""One that keeps this share is at the point itself, or as good as."""
STRAIGHT = 0.01
"""Left and right slopes that differ by no more than this share need no closer look."""


class Sides(NamedTuple):
    """Slopes over one step."""

    left: float
    right: float
    centre: float
    noise: float


class Slope(NamedTuple):
    """What was measured: `value` within `error`, and the slopes on both sides, which differ at a kink."""

    value: float
    error: float
    left: float
    right: float
    kind: Kind


Look = Callable[[float], Sides | None]
"""Step -> slopes; None where a value is not finite."""


class Line:
    """The sum <upstream, outputs> along one direction.

    Args:
        outputs: Step -> the outputs there, and the step that was really taken after rounding.
        base: Outputs at 0.
        upstream: Weights of the outputs.
        noise: How far off each output may be by rounding.
    """

    def __init__(
        self,
        outputs: Callable[[float], tuple[list[Array], float]],
        base: Sequence[Array],
        upstream: Sequence[Array],
        noise: Sequence[Array],
    ) -> None:
        self.outputs, self.base, self.upstream, self.noise = outputs, base, upstream, noise

    def __call__(self, t: float) -> Sides | None:
        """Slopes over a step of t; None where a value is not finite or there is no such step."""
        above, up = self.outputs(t)
        below, down = self.outputs(-t)
        down = -down
        if not (up > 0 and down > 0):
            return None
        right = left = centre = noise = 0.0
        for high, low, middle, u, n in zip(above, below, self.base, self.upstream, self.noise):
            if high.shape != middle.shape or low.shape != middle.shape:
                return None
            changed = np.flatnonzero((high != middle) | (low != middle))
            high, low, middle, u, n = (part.reshape(-1)[changed] for part in (high, low, middle, u, n))
            if not (np.isfinite(high).all() and np.isfinite(low).all()):
                return None
            right += float(u @ (high - middle)) / up
            left += float(u @ (middle - low)) / down
            centre += float(u @ (high - low)) / (up + down)
            noise += float(((u * n) ** 2).sum())
        return Sides(left, right, centre, 2 * noise**0.5 / min(up, down))


def measure(
    look: Look, claimed: float, *, scale: float, floor: float, precision: Precision, start: int = 0
) -> tuple[Slope, int]:
    """Measure a slope as finely as it takes to tell it from the claimed one.

    Args:
        look: The line.
        claimed: What the gradient says; where the first difference agrees, no more are taken.
        scale: What the steps are parts of.
        floor: Differences up to this are none.
        precision: Steps and tolerance.
        start: The step to begin with: where kinks are dense, larger ones tell nothing.

    Returns:
        The slope; `smooth` with a value that is sure enough to accuse or to agree, or why there is none. And the step
        that decided.
    """
    best: Slope | None = None
    last: tuple[float, Sides] | None = None
    bends: list[float] = []
    sharp = 0
    for number in range(start, len(precision.steps)):
        t = precision.steps[number] * scale
        one = look(t)
        if one is None:
            continue
        allowed = _allowed(claimed, one.centre, floor, precision)
        straight = abs(one.right - one.left) <= STRAIGHT * max(abs(one.left), abs(one.right)) + 2 * one.noise
        if straight and abs(claimed - one.centre) <= 0.3 * allowed and one.noise <= allowed:
            error = max(one.noise, abs(claimed - one.centre))
            return Slope(one.centre, error, one.left, one.right, "smooth"), number
        two, three = look(t / 2), look(t / 3)
        if two is None or three is None:
            continue
        found, kinked = _richardson(one, two, three, precision)
        last = (t, three)
        bends.append(abs(three.right - three.left))
        if kinked:
            sharp += abs(three.right - three.left) > SHARP * abs(one.right - one.left)
            if sharp > 1:
                break  # a kink this close will not go away
            continue
        off, allowed = abs(claimed - found.value), _allowed(claimed, found.value, floor, precision)
        if (off <= allowed and found.error <= allowed) or off > SURE * found.error + allowed:
            return found, number
        if best is None or found.error < best.error:
            best = found
    if start:  # the larger steps are still to be tried
        return measure(look, claimed, scale=scale, floor=floor, precision=precision)
    return _undecided(best, last, bends, claimed, floor, precision), 0


def agrees(claimed: float, slope: Slope, floor: float, precision: Precision) -> bool:
    """Whether a claimed slope is the measured one, as far as the measurement can tell."""
    allowed = _allowed(claimed, slope.value, floor, precision)
    return abs(claimed - slope.value) <= allowed + SURE * slope.error


def _allowed(claimed: float, value: float, floor: float, precision: Precision) -> float:
    return precision.tolerance * max(abs(claimed), abs(value)) + floor


def _richardson(one: Sides, two: Sides, three: Sides, precision: Precision) -> tuple[Slope, bool]:
    value = (4 * two.centre - one.centre) / 3
    centres = one.centre, two.centre, three.centre
    error = max(centres) - min(centres) + three.noise
    bent = abs(three.right - three.left)
    size = max(abs(three.left), abs(three.right))
    kinked = bent > BENT * abs(one.right - one.left) and bent > SURE * three.noise + precision.tolerance * size
    return Slope(value, error, three.left, three.right, "smooth"), kinked


def _undecided(
    best: Slope | None,
    last: tuple[float, Sides] | None,
    bends: Sequence[float],
    claimed: float,
    floor: float,
    precision: Precision,
) -> Slope:
    """What to say after the smallest step: a kink, a jump, agreement within a large error, or that it is not clear."""
    if last is None:
        return Slope(np.nan, np.inf, np.nan, np.nan, "not finite")
    _, sides = last
    bent, size = abs(sides.right - sides.left), max(abs(sides.left), abs(sides.right))
    if bent > SURE * sides.noise + 1e-3 * size:
        grows = len(bends) > 1 and bends[-1] > 5 * bends[-2]
        return Slope(sides.centre, bent / 2, sides.left, sides.right, "jump" if grows else "kink")
    if best is None:
        return Slope(sides.centre, bent + sides.noise, sides.left, sides.right, "unclear")
    if agrees(claimed, best, floor, precision):
        return best
    return best._replace(kind="unclear")
