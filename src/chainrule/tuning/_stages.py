"""What the trainings of a stage are: coarse over the whole space, then fine around the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from chainrule.core.space import Axis, label, space_to_data
from chainrule.tuning._checks import narrowed
from chainrule.tuning._plan import SearchPlan

TOP: Final = 3
"""Of how many of the best coarse trials the choices are kept for the fine stage."""


def coarse_trials(plan: SearchPlan, rates: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the coarse trials: all drawn from the space, its rate narrowed to what the range test says."""
    space = space_to_data(narrowed(plan, rates))
    return [{"space": space, "settings": {}, "recipe": False} for _ in range(plan.count_of("coarse"))]


def fine_trials(plan: SearchPlan, coarse: Sequence[Mapping[str, Any]], *, there: int = 0) -> list[dict[str, Any]]:
    """Return the fine trials, as long as the recipe itself: the recipe as it is, the best coarse ones, their neighbors.

    Where no axis is a range, there are no neighbors: the best coarse ones are trained, each once.

    Args:
        plan: Of the search.
        coarse: Rows of the coarse trials that have a value.
        there: How many were planned before, by a search with a smaller count; those stay as they are.

    Source:
        LECTURES B12.
    """
    wanted = plan.count_of("fine")
    best = ranked(plan, coarse)
    space = {name: _around(axis, name, best) for name, axis in plan.space.items()}
    recipe = {"space": {}, "settings": {}, "recipe": True}
    found: list[dict[str, Any]] = [recipe] if there == 0 else [recipe] * there
    given = 1 if any(not axis.choices for axis in space.values()) else wanted
    seen: list[str] = []
    for row in best:
        text = label(row["settings"])
        if len(seen) < given and text not in seen and len(found) < wanted:
            seen.append(text)
            settings = {name: _inside(space[name], value) for name, value in row["settings"].items()}
            found.append({"space": space_to_data(space), "settings": settings, "recipe": False})
    if given == 1:
        found += [{"space": space_to_data(space), "settings": {}, "recipe": False}] * (wanted - len(found))
    return found


def ranked(plan: SearchPlan, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the trials that were trained to their end, the best first; of equal ones the earlier."""
    done = [row for row in rows if row["state"] == "finished" and row["value"] is not None]
    return sorted(done, key=lambda row: (-row["value"] if plan.higher else row["value"], row["index"]))


def _around(axis: Axis, name: str, best: Sequence[Mapping[str, Any]]) -> Axis:
    if not axis.choices:
        return axis.around(best[0]["settings"][name])
    kept = {label(row["settings"][name]) for row in best[:TOP]}
    return replace(axis, choices=tuple(choice for choice in axis.choices if label(choice) in kept))


def _inside(axis: Axis, value: Any) -> Any:
    return value if axis.choices else min(max(value, axis.low), axis.high)
