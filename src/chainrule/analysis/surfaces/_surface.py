"""What an optimizer walks on: a function of a few numbers, with its slopes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.core.errors import UsageError
from chainrule.draw.wording import bytes_text

Array = NDArray[np.float64]
Window = tuple[tuple[float, float], tuple[float, float]]

MOST_FOR_HESSIAN = 1000
"""More numbers than this, and the matrix of second derivatives is not made: it has a million entries, and a step of
Newton's method takes a billion operations."""


@dataclass(frozen=True)
class Surface:
    """A function to go down on. Several points are asked for at once: one for each learning rate that is tried.

    Args:
        name: What it is called.
        about: What is difficult about it, in one line.
        start: Where every optimizer begins, (D,).
        value: (R, D) -> (R,).
        gradient: (R, D) -> (R, D).
        noisy: The gradient as stochastic descent sees it: (R, D), rng -> (R, D).
        hessian: (D,) -> (D, D), exact; None where only values are known.
        lowest: The least value that it takes; None where nobody knows.
        window: What a picture shows of the plane, ((x from, x to), (y from, y to)); made from the paths when left out.
        steps: How many steps a method may take when nobody says.
    """

    name: str
    about: str
    start: Array
    value: Callable[[Array], Array]
    gradient: Callable[[Array], Array]
    noisy: Callable[[Array, np.random.Generator], Array]
    hessian: Callable[[Array], Array] | None = None
    lowest: float | None = None
    window: Window | None = None
    steps: int = 500


def exact_hessian(surface: Surface, x: Array) -> Array:
    """Return the second derivatives at a point, (D, D).

    Raises:
        UsageError: There are too many, or the surface gives values alone.

    Example:
        >>> from chainrule.analysis.surfaces import named_surface
        >>> exact_hessian(named_surface("ravine"), np.array([1.0, 1.0])).tolist()
        [[1.0, 0.0], [0.0, 50.0]]

    Source:
        LECTURES B8.
    """
    if why := no_hessian(surface):
        raise UsageError(why, remedy="a method of first order, such as momentum or adam, needs the gradient alone")
    assert surface.hessian is not None
    return surface.hessian(x)


def no_hessian(surface: Surface) -> str:
    """Why Newton's method cannot be used on a surface; empty where it can."""
    size = len(surface.start)
    if size > MOST_FOR_HESSIAN:
        return (
            f"the exact Hessian of {surface.name} is too large: {size:,} x {size:,} second derivatives, "
            f"{bytes_text(8 * size * size)} and {size**3 / 3:.0e} operations a step; "
            f"the limit is {MOST_FOR_HESSIAN:,} numbers"
        )
    if surface.hessian is None:
        return f"the exact Hessian of {surface.name} is not known: its function takes no torch tensors, only numbers"
    return ""


def with_noise(
    gradient: Callable[[Array], Array], start: Array, share: float = 0.05
) -> Callable[[Array, np.random.Generator], Array]:
    """Return the gradient with normal noise on each number, as if it came from a few examples.

    Args:
        gradient: (R, D) -> (R, D).
        start: (D,).
        share: Deviation of the noise, as a share of the length of the gradient at the start.
    """
    size = share * float(np.linalg.norm(gradient(start[None])))

    def noisy(x: Array, rng: np.random.Generator) -> Array:
        return gradient(x) + size * rng.standard_normal(x.shape[1])  # the same noise whatever the rate

    return noisy
