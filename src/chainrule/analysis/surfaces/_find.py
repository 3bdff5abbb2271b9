"""What a person writes for a surface: its name, an expression, a function in a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from chainrule.analysis.surfaces._functions import SURFACES, named_surface
from chainrule.analysis.surfaces._surface import Surface
from chainrule.core.errors import UsageError

NETWORK = "network"


def find_surface(text: str, start: Sequence[float] | None = None, *, seed: int = 0) -> Surface:
    """Return the surface of a name, of `FILE.py:NAME`, or of an expression such as `x**2 + 10*y**2`.

    Args:
        text: What was written. Code of a file runs: a person named it.
        start: Where to begin; needed for what has no name here.
        seed: Of the network's start.

    Raises:
        UsageError: It cannot be read, or lacks a start.

    Example:
        >>> find_surface("bowl", [1.0, 1.0]).start.tolist(), len(find_surface("x**2 + 10*y**2", [1, 2]).start)
        ([1.0, 1.0], 2)
    """
    if text in SURFACES or re.fullmatch(r"[A-Za-z][A-Za-z-]+", text):
        return _by_name(text, start, seed)
    if start is None:
        raise UsageError(f"{text} needs a place to start", expected="a number for each variable", remedy="--start 1,2")
    if text.endswith(".py") or ".py:" in text:
        from chainrule.analysis.surfaces._own import function_surface
        from chainrule.core.program import load_program

        function = load_program(text).objects[0]
        if not callable(function):
            raise UsageError(f"{text} is no function", expected="a function of the numbers of --start", got=function)
        return function_surface(function, start, text.rpartition(":")[2])
    from chainrule.analysis.surfaces._expression import expression_surface

    return expression_surface(text, start)


def _by_name(name: str, start: Sequence[float] | None, seed: int) -> Surface:
    if name == NETWORK:
        from chainrule.analysis.surfaces._network import network_surface

        if start is not None:
            raise UsageError(
                "the network draws its start", expected=f"no --start with {NETWORK}", remedy="--seed draws another one"
            )
        return network_surface(seed)
    surface = named_surface(name)
    if start is None:
        return surface
    if len(start) != 2 or not np.isfinite(start).all():
        raise UsageError(f"{name} is a surface of x and y", expected="two finite numbers", got=list(start)[:4])
    return replace(surface, start=np.array(start, dtype=np.float64), window=_with(surface, start))


def _with(surface: Surface, start: Sequence[float]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The surface's own window where the start lies in it."""
    window = surface.window
    if window and all(low <= number <= high for (low, high), number in zip(window, start, strict=True)):
        return window
    return None
