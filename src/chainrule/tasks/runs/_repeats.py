"""One recipe with several seeds: a group of runs, and what they reached together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.core.errors import UsageError
from chainrule.core.recipe import Recipe
from chainrule.core.spread import spread
from chainrule.tasks.runs._begin import with_seed
from chainrule.tasks.runs._run import Run
from chainrule.tasks.runs._run_group import Group, Single


def repeats(recipe: Recipe, count: int, *, name: str, command_of_one: str, command: str | None = None) -> Group:
    """Return the runs of a recipe with several seeds.

    Args:
        recipe: With the first seed.
        count: How many seeds, at least 2.
        name: Of the recipe.
        command_of_one: What makes a single run, without its seed.
        command: What makes all of them; that of the folder stays when left out.

    Raises:
        UsageError: Fewer than two.
    """
    if count < 2:
        raise UsageError("repeats need at least two runs", got=count)
    first = recipe.train.seed
    members = {
        f"seed-{seed}": Single(with_seed(recipe, seed), name, f"{command_of_one} --train.seed {seed}")
        for seed in range(first, first + count)
    }
    return Group(
        "repeats",
        name,
        recipe.to_yaml(),
        members,
        together,
        facts={"command_of_one": command_of_one, "count": count},
        command=command,
        title=lambda folder: folder.replace("-", " "),
    )


def together(runs: Sequence[Run]) -> dict[str, Any]:
    """Return what several seeds reached together.

    Returns:
        `{"seeds", "seconds": of all trainings, "valid", "test"}`, the parts as `{metric: {"mean", "deviation",
        "minimum", "maximum", "values"}}`.
    """
    results = [run.result or {} for run in runs]
    return {
        "seeds": [run.recipe.train.seed for run in runs],
        "seconds": round(sum(result.get("seconds", 0.0) for result in results), 3),
        **{part: spread([result.get(part) or {} for result in results]) for part in ("valid", "test")},
    }
