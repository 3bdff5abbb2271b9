"""The plane that a picture shows: of two numbers the plane itself, of more the one in which the paths move most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.analysis.surfaces._compare import Comparison
from chainrule.analysis.surfaces._surface import Array, Surface, Window

GRID = 90
ROOM = 0.12


@dataclass(frozen=True)
class Plane:
    """A cut through a surface.

    Args:
        origin: A point of it, (D,).
        axes: Its two directions, of length 1 and at right angles, (2, D).
        share: How much of the movement of the paths lies in it, 0 to 1.
        about: Which plane it is, in a sentence; empty where the surface has two numbers.
    """

    origin: Array
    axes: Array
    share: float = 1.0
    about: str = ""

    def project(self, points: Array) -> Array:
        """Return where points lie, or the nearest to them: (N, D) -> (N, 2)."""
        return (points - self.origin) @ self.axes.T

    def at(self, places: Array) -> Array:
        """Return the points of places: (N, 2) -> (N, D)."""
        return self.origin + places @ self.axes


def plane_of(found: Comparison) -> Plane:
    """Return the plane of a comparison.

    With more than two numbers: the first two principal components of the points of all paths that went down, through
    the mean of these points.

    Source:
        LECTURES B13. Li et al., Visualizing the loss landscape of neural nets (2018), 7.2.
    """
    size = len(found.surface.start)
    if size == 2:
        return Plane(np.zeros(2), np.eye(2))
    down = [path.points for path in found.paths if path.values[-1] < path.values[0]]
    points = np.concatenate([*down, found.surface.start[None]])
    mean = points.mean(axis=0)
    _, lengths, axes = np.linalg.svd(points - mean, full_matrices=False)
    axes = axes[:2] if len(axes) > 1 else np.eye(2, size)
    axes = axes * np.where(axes[np.arange(2), np.abs(axes).argmax(axis=1)] > 0, 1.0, -1.0)[:, None]
    total = float((lengths**2).sum())
    share = float((lengths[:2] ** 2).sum()) / total if total > 0 else 1.0
    about = (
        f"The picture is a plane through {size:,} dimensions: the first two principal components of all paths that "
        f"went down, which hold {100 * share:.0f} % of their movement. The heights are the real values in the plane; "
        "each path is drawn at the places of the plane that are nearest to it, where it is lower than the plane."
    )
    return Plane(mean, axes, share, about)


def window_of(found: Comparison, plane: Plane) -> Window:
    """Return what the picture shows: the surface's own window, or room around the paths."""
    if found.surface.window is not None:
        return found.surface.window
    start = plane.project(found.surface.start[None])[0]
    reach = [start]
    for path in found.paths:
        places = plane.project(path.points)
        if path.end not in ("diverged", "fell", "singular"):
            reach += [np.quantile(places, 0.01, axis=0), np.quantile(places, 0.99, axis=0), places[-1]]
    low, high = np.min(reach, axis=0), np.max(reach, axis=0)
    if not (high > low).any():  # nobody moved, or all fell
        low, high = low - 1, high + 1
    size = np.maximum(high - low, 0.5 * (high - low).max())  # no narrow strips
    middle, half = (low + high) / 2, size * (0.5 + ROOM)
    (left, bottom), (right, top) = middle - half, middle + half
    return ((float(left), float(right)), (float(bottom), float(top)))


def heights(surface: Surface, plane: Plane, window: Window, size: int = GRID) -> tuple[Array, Array, Array]:
    """Return x, y and the values over a grid of a window: (X,), (Y,), (Y, X)."""
    x, y = (np.linspace(low, high, size) for low, high in window)
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    with np.errstate(all="ignore"):
        return x, y, surface.value(plane.at(places)).reshape(len(y), len(x))
