"""Functions of x and y that show what is difficult about going down; value, gradient and second derivatives by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.analysis.surfaces._surface import Array, Surface, Window, with_noise
from chainrule.core.errors import UsageError, unknown

Function = Callable[[Array, Array], "Jet"]


@dataclass(frozen=True)
class Jet:
    """A function of x and y with its derivatives, each of the shape of x."""

    value: Array
    dx: Array
    dy: Array
    dxx: Array
    dxy: Array
    dyy: Array


def _quadratic(x: Array, y: Array, a: float, b: float) -> Jet:
    one, zero = np.ones_like(x), np.zeros_like(x)
    return Jet((a * x**2 + b * y**2) / 2, a * x, b * y, a * one, zero, b * one)


def _bowl(x: Array, y: Array) -> Jet:
    return _quadratic(x, y, 1, 1)


def _ravine(x: Array, y: Array) -> Jet:
    return _quadratic(x, y, 1, 50)


def _saddle(x: Array, y: Array) -> Jet:
    return Jet(x**2 / 2 - y**2 / 2 + y**4 / 4, x, y**3 - y, np.ones_like(x), np.zeros_like(x), 3 * y**2 - 1)


def _plateau(x: Array, y: Array) -> Jet:
    well = np.exp(-(x**2 + y**2) / 2)
    return Jet(1 - well, x * well, y * well, (1 - x**2) * well, -x * y * well, (1 - y**2) * well)


def _local_minima(x: Array, y: Array) -> Jet:
    value = (x**2 + y**2) / 10 + 2 - np.cos(2 * x) - np.cos(2 * y)
    dx, dy = x / 5 + 2 * np.sin(2 * x), y / 5 + 2 * np.sin(2 * y)
    return Jet(value, dx, dy, 0.2 + 4 * np.cos(2 * x), np.zeros_like(x), 0.2 + 4 * np.cos(2 * y))


def _rosenbrock(x: Array, y: Array) -> Jet:
    off = y - x**2
    dx, dxx = -2 * (1 - x) - 400 * x * off, 2 - 400 * off + 800 * x**2
    return Jet((1 - x) ** 2 + 100 * off**2, dx, 200 * off, dxx, -400 * x, np.full_like(x, 200.0))


@dataclass(frozen=True)
class _Named:
    about: str
    function: Function
    start: tuple[float, float]
    window: Window
    lowest: float = 0.0


_SURFACES = {
    "bowl": _Named("equal curvature on all sides: (x^2 + y^2) / 2",
                   _bowl, (-2.0, 1.5), ((-2.6, 2.6), (-2.2, 2.2))),
    "ravine": _Named("poor conditioning, 50 times steeper across than along: (x^2 + 50 y^2) / 2",
                     _ravine, (-4.0, 1.0), ((-4.6, 2.6), (-1.5, 1.5))),
    "saddle": _Named("starts on the ridge that leads to a saddle point: x^2/2 - y^2/2 + y^4/4",
                     _saddle, (1.6, 0.001), ((-2.0, 2.0), (-1.7, 1.7)), -0.25),
    "plateau": _Named("almost flat, then a well: 1 - exp(-(x^2 + y^2) / 2)",
                      _plateau, (-2.8, 2.0), ((-3.8, 3.0), (-2.6, 3.0))),
    "local-minima": _Named("a lower minimum beyond each hill: (x^2 + y^2)/10 + 2 - cos 2x - cos 2y",
                           _local_minima, (3.9, 2.2), ((-2.0, 5.4), (-2.0, 4.4))),
    "rosenbrock": _Named("a bent valley with a flat floor: (1 - x)^2 + 100 (y - x^2)^2",
                         _rosenbrock, (-1.2, 1.0), ((-1.7, 1.7), (-0.7, 1.9))),
}  # fmt: skip

SURFACES: tuple[str, ...] = tuple(_SURFACES)
"""The names of the test functions."""


def named_surface(name: str) -> Surface:
    """Return one of the test functions.

    Args:
        name: bowl, ravine, saddle, plateau, local-minima or rosenbrock.

    Raises:
        UsageError: There is no such surface; the nearest is suggested.

    Example:
        >>> surface = named_surface("bowl")
        >>> surface.value(np.array([[3.0, 4.0]])).tolist(), surface.gradient(np.array([[3.0, 4.0]])).tolist()
        ([12.5], [[3.0, 4.0]])

    Source:
        LECTURES B13. Rosenbrock 1960.
    """
    if name not in _SURFACES:
        raise UsageError(f'there is no surface "{name}"', remedy=unknown("surface", name, [*_SURFACES, "network"]))
    found = _SURFACES[name]
    start = np.array(found.start)

    def at(points: Array) -> Jet:
        with np.errstate(over="ignore", invalid="ignore"):  # whoever diverges comes to huge numbers
            return found.function(points[..., 0], points[..., 1])

    def gradient(points: Array) -> Array:
        jet = at(points)
        return np.stack([jet.dx, jet.dy], axis=-1)

    def hessian(point: Array) -> Array:
        jet = at(point)
        return np.array([[jet.dxx, jet.dxy], [jet.dxy, jet.dyy]])

    return Surface(
        name,
        found.about,
        start,
        value=lambda points: at(points).value,
        gradient=gradient,
        noisy=with_noise(gradient, start),
        hessian=hessian,
        lowest=found.lowest,
        window=found.window,
    )
