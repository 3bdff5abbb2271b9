"""One optimizer on one surface: all its rates side by side, the best of them, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.analysis.surfaces._methods import Method
from chainrule.analysis.surfaces._surface import Array, Surface, no_hessian

LEVELS = (0.9, 0.999)
"""Shares of the way down for which steps are counted; the last one counts as arrived."""
FAR = 1e9
"""Whoever is farther away than so many times the start (or than this) has diverged."""
TAIL = 0.05
"""Who arrives stays for at least this share of the steps; and where nobody does, the mean over it is compared."""
FALL = 1e3
"""Where there is no lowest value: so many times its height below the start, and a walk is falling."""
CLIMB = 0.05
"""Higher above the start than this share of the way down, and a walk counts as climbing."""
NEAR = 0.02
"""A critical point is as good as reached when it is nearer than this share of the way from the start."""


@dataclass(frozen=True)
class Walk:
    """A method's steps at every rate; where one left the numbers, its rest is NaN.

    Args:
        method: The optimizer.
        points: (T + 1, R, D).
        values: (T + 1, R).
    """

    method: Method
    points: Array
    values: Array


@dataclass(frozen=True)
class Path:
    """A method's steps at its best rate.

    Args:
        method: The optimizer.
        rate: The learning rate.
        points: (T + 1, D); shorter than asked for where it diverged.
        values: (T + 1,).
        steps: Steps after which it stays below each share of `LEVELS`; None where it does not.
        way: How much of the way down it has gone at the end; 1 is the lowest value known. None where that is not known.
        end: arrived, going, minimum, saddle, flat, fell, diverged or singular.
        diverging: The lowest rate that leaves the numbers, if any.
    """

    method: Method
    rate: float
    points: Array
    values: Array
    steps: tuple[int | None, ...]
    way: float | None
    end: str
    diverging: float | None


def walk(surface: Surface, method: Method, steps: int, seed: int) -> Walk:
    """Take the steps of a method at all of its rates side by side.

    Args:
        surface: Where.
        method: Who.
        steps: How many.
        seed: Of the noise, where the method sees some.

    Example:
        >>> from chainrule.analysis.surfaces import METHODS, named_surface
        >>> found = walk(named_surface("bowl"), METHODS["newton"], 1, 0)
        >>> found.points[1, 0].tolist(), found.values[1].round(3).tolist()
        ([0.0, 0.0], [0.0, 0.781, 2.531])
    """
    rng = np.random.default_rng(seed)
    rates = np.array(method.rates)[:, None]  # (R, 1)
    x = np.tile(surface.start, (len(rates), 1))  # (R, D)
    state = tuple(np.zeros_like(x) for _ in range(method.slots))
    points, values = [x], [surface.value(x)]
    far = FAR * (1 + np.abs(surface.start).max() + abs(values[0]).max())
    with np.errstate(all="ignore"):  # whoever diverges comes to huge numbers; it is told below
        for t in range(1, steps + 1):
            dx = surface.noisy(x, rng) if method.noisy else surface.gradient(x)
            x, state = method.step(surface, x, dx, state, t, rates)
            value = surface.value(x)
            lost = ~(np.abs(x).max(axis=1) < far) | ~(np.abs(value) < far)  # NaN is lost too
            x, value = np.where(lost[:, None], np.nan, x), np.where(lost, np.nan, value)
            points.append(x)
            values.append(value)
            if lost.all():
                break
    return Walk(method, np.stack(points), np.stack(values))


def best_path(surface: Surface, found: Walk, lowest: float | None) -> Path:
    """Return the walk at the rate that arrives first or, where none does, that gets lowest.

    Rates at which it climbs above the start are taken only where there is no other.

    Args:
        surface: Where.
        found: At all rates.
        lowest: The value to be reached; None where nobody knows, or where there is none.
    """
    start = float(found.values[0, 0])
    counted = [_steps_to(found.values[:, r], start, lowest) for r in range(len(found.method.rates))]
    ends = [_at_end(found.values[:, r]) for r in range(len(found.method.rates))]
    lost = np.isnan(found.values[-1])
    height = start - lowest if lowest is not None else abs(start)
    climbs = ~(found.values.max(axis=0) <= start + CLIMB * height)  # NaN climbs too

    def rank(r: int) -> tuple[float, ...]:
        late = [np.inf if steps is None else steps for steps in reversed(counted[r])]
        settled = _steps_to(found.values[:, r], start, ends[r])[-1]  # of equally low ones, the quickest
        return (bool(climbs[r]), *late, bool(lost[r]), float(f"{ends[r]:.6g}"), np.inf if settled is None else settled)

    chosen = min(range(len(ends)), key=rank)
    whole = int(np.isfinite(found.values[:, chosen]).sum())
    points, values = found.points[:whole, chosen], found.values[:whole, chosen]
    way = None if lowest is None or start <= lowest else (start - float(values[-1])) / (start - lowest)
    diverging = [rate for rate, gone in zip(found.method.rates, lost, strict=True) if gone]
    return Path(
        found.method,
        found.method.rates[chosen],
        points,
        values,
        counted[chosen],
        way,
        "fell"
        if lowest is None and values[-1] < start - FALL * (1 + abs(start))
        else _end(surface, points, values, lost=bool(lost[chosen]), arrived=counted[chosen][-1] is not None),
        min(diverging, default=None),
    )


def _steps_to(values: Array, start: float, lowest: float | None) -> tuple[int | None, ...]:
    """Steps after which the value stays below each share of the way down; None where it does not."""
    if lowest is None or not start > lowest or np.isnan(values[-1]):
        return (None,) * len(LEVELS)
    found: list[int | None] = []
    for share in LEVELS:
        above = np.flatnonzero(~(values <= start - share * (start - lowest)))
        first = int(above[-1]) + 1 if above.size else 0
        found.append(first if first <= len(values) - _tail(values) else None)
    return tuple(found)


def _tail(values: Array) -> int:
    return max(1, round(TAIL * len(values)))


def _at_end(values: Array) -> float:
    """The mean of the last values: one that bounces may be low by chance."""
    finite = values[np.isfinite(values)]
    return float(finite[-_tail(values) :].mean())


def _end(surface: Surface, points: Array, values: Array, *, lost: bool, arrived: bool) -> str:
    """How a walk ended, in one word."""
    if lost:
        if values[-1] < values[0] and values[-1] <= values.min():
            return "fell"
        return "singular" if _is_singular(surface, points[-1]) else "diverged"
    if arrived:
        return "arrived"
    if no_hessian(surface) or surface.hessian is None:
        return "going"
    curve, slope = surface.hessian(points[-1]), surface.gradient(points[-1:])[0]
    if not (np.isfinite(curve).all() and np.isfinite(slope).all()):
        return "going"
    # As the quadratic that f is near here would have it, how far is the point without slope?
    missing = np.linalg.lstsq(curve, slope, rcond=1e-12)[0]
    reached = float(np.linalg.norm(points - points[0], axis=1).max())
    return critical_point(surface, points[-1]) if np.linalg.norm(missing) <= NEAR * reached else "going"


def _is_singular(surface: Surface, point: Array) -> bool:
    if no_hessian(surface) or surface.hessian is None:
        return False
    curve = surface.hessian(point)
    return bool(np.isfinite(curve).all() and np.linalg.matrix_rank(curve) < len(point))


def critical_point(surface: Surface, point: Array) -> str:
    """Return what kind of place a point without slope is, by the signs of its curvatures.

    Returns:
        minimum, saddle, maximum or flat.

    Example:
        >>> from chainrule.analysis.surfaces import named_surface
        >>> [critical_point(named_surface("saddle"), np.array([0.0, y])) for y in (0.0, 1.0)]
        ['saddle', 'minimum']

    Source:
        LECTURES B8, B13.
    """
    assert surface.hessian is not None
    curvatures = np.linalg.eigvalsh(surface.hessian(point))
    least = 1e-6 * max(float(np.abs(curvatures).max()), 1e-6)
    up, down = bool((curvatures > least).any()), bool((curvatures < -least).any())
    if up and down:
        return "saddle"
    return "minimum" if up and (curvatures > least).all() else "maximum" if down and not up else "flat"
