"""The first stages: the loss at the start, a few examples by heart, and at which rates the loss falls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

from chainrule.core.errors import DataError, RecipeError
from chainrule.core.recipe import Recipe
from chainrule.core.space import Axis
from chainrule.tasks.job._job import Job, job_type
from chainrule.tasks.tables import TABLES, Source, all_options, check_options, open_recipe
from chainrule.training.probe import RateRange, learn_sample, losses_at_start, near_ignorance, range_test
from chainrule.training.task import Observer
from chainrule.tuning._plan import RATE, SearchPlan

Observers = Callable[[str], Iterable[Observer]]

_ROOM: Final = 3.0
"""Factor below the rate at which the loss begins to fall that is still searched: many small steps go far too."""


def find_rate(
    recipe: Source, *, settings: Mapping[str, Any] | None = None, low: float = 1e-6, high: float = 10.0,
    steps: int = 150, observers: Iterable[Observer] = (),
) -> RateRange:  # fmt: skip
    """Train while the rate rises from step to step, and say at which rates the loss falls, and falls fastest.

    Args:
        recipe: As `train` takes it; nothing is kept of the training.
        settings: Laid over the recipe.
        low: The first rate.
        high: The last rate.
        steps: How many steps.
        observers: Called after each step.

    Returns:
        Rates and losses, and what they say: `suggestion`, `begins`, `diverges`.

    Raises:
        RecipeError: The recipe takes no steps, or its optimizer has no rate.

    Example:
        >>> found = find_rate("digits-softmax", steps=60)
        >>> 1e-4 < found.suggestion < 1
        True

    Source:
        LECTURES B12.
    """
    opened = open_recipe(recipe, settings)
    check_options(opened)
    rate = rate_of(opened)
    if rate is None:
        raise RecipeError(f"{opened.model.name} fitted by {opened.optim.name} takes no steps at a rate")
    job = job_type(opened).begun(_constant(opened))
    return range_test(job.task(), opened.train.seed, lr=rate, low=low, high=high, steps=steps, observers=observers)


def rate_of(recipe: Recipe) -> float | None:
    """The rate of a recipe's optimizer; None where there is none, or no step."""
    found = all_options(TABLES["optim"], recipe.optim, "optim").get("lr")
    return float(found) if isinstance(found, int | float) and found > 0 and recipe.train.steps != 0 else None


def data_facts(plan: SearchPlan) -> dict[str, Any]:
    """Open the data once, before anything is trained: what errors they have come now.

    Returns:
        `{"valid": examples to compare trials by, "per_epoch": steps}`.

    Raises:
        DataError: There is nothing to choose by.
    """
    job = job_type(plan.recipe).begun(plan.recipe)
    if "valid" not in job.parts:
        raise DataError(
            f"{plan.recipe.data.name} has no validation part, by which trials are compared",
            expected="examples set aside to choose by",
            remedy="--data.validation 0.1, where the data have that setting",
        )
    epochs = plan.recipe.train.epochs
    return {"valid": len(job.parts["valid"]), "per_epoch": job.steps() / epochs if epochs else None}


def check_start(plan: SearchPlan) -> dict[str, Any]:
    """Compare the loss at the start with that of a network which knows nothing.

    Source:
        LECTURES A5, B12.
    """
    if rate_of(plan.recipe) is None:
        return {"skipped": "nothing is trained in steps"}
    first, expected = losses_at_start(_job(plan.recipe).task(), plan.recipe.train.seed)
    fine = expected is None or near_ignorance(first, expected)
    return {"loss": first, "expected": expected, "passed": bool(fine and math.isfinite(first))}


def check_sample(plan: SearchPlan) -> dict[str, Any]:
    """Learn a few examples by heart, without what is against it: penalty, decay, dropout, augmentation, smoothing.

    Source:
        LECTURES B12.
    """
    rate = rate_of(plan.recipe)
    if rate is None:
        return {"skipped": "nothing is trained in steps"}
    recipe = _plain(plan.recipe)
    task = _job(recipe).task()
    _, guessing = losses_at_start(task, recipe.train.seed)
    found = learn_sample(task, recipe.train.seed, lr=rate, guessing=1.0 if guessing is None else guessing)
    return {**_finite(asdict(found)), "guessing": guessing, "passed": found.steps is not None}


def check_rates(plan: SearchPlan, *, observers: Observers) -> dict[str, Any]:
    """Look for the rates at which the loss falls.

    Source:
        LECTURES B12.
    """
    rate = rate_of(plan.recipe)
    if rate is None:
        return {"skipped": "nothing is trained in steps"}
    task = _job(_constant(plan.recipe)).task()
    found = range_test(task, plan.recipe.train.seed, lr=rate, observers=observers("range test"))
    return {**_finite(asdict(found)), "own": rate, "passed": found.suggestion is not None}


def narrowed(plan: SearchPlan, rates: Mapping[str, Any] | None) -> dict[str, Axis]:
    """Return the space with its rate where the range test says that the loss falls.

    From a third of the rate at which the fall begins to that at which the training diverges, within the axis.

    Args:
        plan: Of the search.
        rates: What `check_rates` found; None where it did not run.
    """
    space = dict(plan.space)
    axis = space.get(RATE)
    if axis is None or axis.choices or not rates or not rates.get("begins") or not rates.get("diverges"):
        return space
    if any(name in space for name in ("optim.name", "model.name", "train.batch")):
        return space  # the test was one of another optimizer, network or batch
    space[RATE] = axis.between(float(rates["begins"]) / _ROOM, float(rates["diverges"]))
    return space


def _constant(recipe: Recipe) -> Recipe:
    return open_recipe(recipe.to_data(), {"schedule.name": "constant"} | _without_average(recipe))


def _without_average(recipe: Recipe) -> dict[str, Any]:
    return {"train.ema": None} if recipe.train.ema is not None else {}


def _plain(recipe: Recipe) -> Recipe:
    """The recipe without what keeps a network from learning its examples by heart."""
    data = _constant(recipe).to_data()
    data.pop("augment", None)
    data.pop("penalty", None)
    found = open_recipe(data)
    laid: dict[str, Any] = {}
    for place, key in (("loss", "smoothing"), ("optim", "weight_decay"), ("model", "dropout")):
        part = getattr(found, place)
        if key in part.options:
            laid[f"{place}.{key}"] = 0.0
    return open_recipe(data, laid)


def _job(recipe: Recipe) -> Job:
    return job_type(recipe).begun(recipe)


def _finite(value: Any) -> Any:
    """Plain data without numbers that JSON lacks."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
