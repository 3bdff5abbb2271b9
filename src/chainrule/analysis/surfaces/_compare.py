"""Several optimizers on one surface, each at the rate that suits it best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.analysis.surfaces._descent import LEVELS, Path, Walk, best_path, walk
from chainrule.analysis.surfaces._methods import METHODS, RATES, Method, find_methods, why_not
from chainrule.analysis.surfaces._surface import Array, Surface
from chainrule.core.errors import UsageError

MOST_STEPS = 20_000
MOST_NUMBERS = 50_000_000
"""Numbers of all points of all methods at all rates: 0.4 GB."""


@dataclass(frozen=True)
class Comparison:
    """What the optimizers did on a surface.

    Args:
        surface: The surface.
        steps: How many each could take.
        lowest: The value that counts as the bottom; None where some method falls without end.
        known: Whether it is known beforehand, and not the lowest value that any of them met.
        paths: One for each optimizer.
        left_out: Optimizers that cannot be used here, and why.
    """

    surface: Surface
    steps: int
    lowest: float | None
    known: bool
    paths: Sequence[Path]
    left_out: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data, without the points between start and end."""
        return {
            "surface": self.surface.name,
            "about": self.surface.about,
            "start": [float(number) for number in self.surface.start[:8]],
            "dimensions": len(self.surface.start),
            "steps": self.steps,
            "lowest": self.lowest,
            "lowest_is_known": self.known,
            "methods": [_facts(path) for path in self.paths],
            "left_out": dict(self.left_out),
        }


def compare_optimizers(
    surface: Surface, methods: Sequence[str] = (), *, steps: int | None = None, seed: int = 0
) -> Comparison:
    """Let optimizers go down a surface, each at the learning rate of a log grid that suits it best there.

    Args:
        surface: Where.
        methods: Names of `METHODS`; all of them when left out.
        steps: How many each may take; as many as the surface says when left out.
        seed: Of the noise of stochastic descent.

    Raises:
        UsageError: An unknown method, one that is named and cannot be used here, or too many or too few steps; or the
            value or the gradient at the start is no number.

    Example:
        >>> from chainrule.analysis.surfaces import named_surface
        >>> found = compare_optimizers(named_surface("ravine"), ["gd", "adam", "newton"], steps=200)
        >>> [(path.method.label, path.steps[-1]) for path in found.paths if path.end == "arrived"][-1]
        ('Newton', 1)

    Source:
        LECTURES B1 to B8, B13.
    """
    steps = surface.steps if steps is None else steps
    if not 1 <= steps <= MOST_STEPS:
        raise UsageError("these steps cannot be drawn", expected=f"1 to {MOST_STEPS:,} steps", got=steps)
    _require_numbers(surface)
    chosen, left_out = _usable(surface, methods)
    _require_room(surface, chosen, steps)
    walks = [walk(surface, method, steps, seed) for method in chosen]
    lowest = surface.lowest if surface.lowest is not None else _lowest(walks)
    paths = [best_path(surface, found, lowest) for found in walks]
    return Comparison(surface, steps, lowest, surface.lowest is not None, paths, left_out)


def _usable(surface: Surface, names: Sequence[str]) -> tuple[list[Method], dict[str, str]]:
    """The methods that can be used; one that is named and cannot is refused, otherwise it is left out."""
    methods = find_methods(list(names) or list(METHODS))
    reasons = {method.name: why for method in methods if (why := why_not(method, surface))}
    if names and reasons:
        name, why = next(iter(reasons.items()))
        raise UsageError(f"{METHODS[name].label} cannot be used: {why}", remedy=f"leave {name} out of --methods")
    return [method for method in methods if method.name not in reasons], reasons


def _require_numbers(surface: Surface) -> None:
    start = surface.start[None]
    with np.errstate(all="ignore"):
        value, gradient = surface.value(start), surface.gradient(start)
    for what, numbers in (("value", value), ("gradient", gradient)):
        if not np.isfinite(numbers).all():
            raise UsageError(
                f"{surface.name} cannot be gone down from {_point(surface.start)}",
                expected=f"a {what} that is a finite number",
                got=", ".join(f"{number:g}" for number in np.ravel(numbers)[:4]),
                remedy="another --start",
            )


def _require_room(surface: Surface, methods: Sequence[Method], steps: int) -> None:
    each = len(surface.start) * sum(len(method.rates) for method in methods)
    if each * steps > MOST_NUMBERS:
        raise UsageError(
            f"the paths on {surface.name} do not fit in memory",
            expected=f"at most {MOST_NUMBERS // each:,} steps",
            got=f"{steps:,}",
            remedy="fewer --steps, or fewer --methods",
        )


def _point(x: Array) -> str:
    shown = ", ".join(f"{number:g}" for number in x[:4])
    return f"({shown}{', ...' if len(x) > 4 else ''})"


def _lowest(walks: Sequence[Walk]) -> float | None:
    """The lowest value that any walk met at any rate; None where one fell out of the numbers."""
    start = float(walks[0].values[0, 0])
    found = start
    for one in walks:
        for r in range(one.values.shape[1]):
            values = one.values[:, r]
            finite = values[np.isfinite(values)]
            if len(finite) < len(values) and finite[-1] < start and finite[-1] <= finite.min() and len(finite) > 2:
                return None
            found = min(found, float(finite.min()))
    return found


def _facts(path: Path) -> dict[str, Any]:
    return {
        "method": path.method.name,
        "label": path.method.label,
        "item": path.method.item,
        "rate": path.rate,
        "rates": list(path.method.rates),
        "diverges_from": path.diverging,
        "steps": {f"{share:g}": steps for share, steps in zip(LEVELS, path.steps, strict=True)},
        "way": path.way,
        "value": float(path.values[-1]),
        "point": [float(number) for number in path.points[-1][:8]],
        "end": path.end,
    }


def search_text(methods: Sequence[Method]) -> str:
    """How the rates were chosen, in a sentence."""
    newton = next((method for method in methods if method.second), None)
    also = f" (Newton: {', '.join(f'{rate:g}' for rate in newton.rates)})" if newton else ""
    return (
        f"Each method at the best of {len(RATES)} rates for this surface, {RATES[0]:g} to {RATES[-1]:g}, 1, 2 and 5 in "
        f"each decade{also}: the one that arrives first without climbing above the start."
    )
