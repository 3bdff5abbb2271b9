"""What a search is, before anything is made: its recipe, space, stages and length, all checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chainrule.core.errors import RecipeError, UsageError, unknown
from chainrule.core.recipe import Recipe
from chainrule.core.sections import OWN
from chainrule.core.settings import read_recipe
from chainrule.core.space import Axis, space_from_data, space_to_data
from chainrule.core.strict_yaml import format_yaml
from chainrule.tasks.tables import TABLES, Source, all_options, check_options, open_recipe
from chainrule.training.rules import LOWER_IS_BETTER

STAGES: Final = ("initial", "overfit", "range", "coarse", "fine")
TRAINING: Final = ("coarse", "fine")
SAMPLERS: Final = ("random", "tpe")
PRUNERS: Final = ("none", "median", "hyperband")
MOST: Final = 2000
"""Trainings of one search."""
RATE: Final = "optim.lr"
_APART: Final = 30.0
"""Factor up and down from a recipe's own value to the ends of its axis, where no space is given."""
_DECAY: Final = (1e-6, 1e-2)
"""Weight decay, where the recipe has none."""
RUNGS: Final = 5
"""Measurements of a short training, at least, where the recipe measures once an epoch."""
_FIXED: Final = {
    "train.seed": "a seed is luck, and luck is not chosen; `chainrule train --repeats` measures it",
    "train.epochs": "the stages say how long is trained; set it: --train.epochs",
    "train.steps": "the stages say how long is trained; set it: --train.steps",
    "train.monitor": "trials are compared by it; set it: --train.monitor",
    "train.test": "no trial reads the test part",
    **dict.fromkeys(
        ("data.name", "data.validation", "data.test_share", "data.split_seed", "data.limit", "data.folder"),
        "trials are compared on the same validation examples; set it for all",
    ),
}


@dataclass(frozen=True)
class SearchPlan:
    """A search, as it is written down in `search.yaml`.

    Args:
        name: Of the study in its database.
        recipe: What is trained, where the space says nothing else.
        space: Setting -> its values.
        stages: Which of `STAGES`, in their order.
        count: Trainings in all.
        share: Length of a coarse training, as a share of the recipe's.
        sampler: How settings are drawn.
        pruner: What ends a training early.
        seed: Of the sampler.
    """

    name: str
    recipe: Recipe
    space: Mapping[str, Axis]
    stages: tuple[str, ...]
    count: int
    share: float
    sampler: str
    pruner: str
    seed: int

    @property
    def metric(self) -> str:
        """The validation metric by which trials are compared."""
        return self.recipe.train.monitor

    @property
    def higher(self) -> bool:
        """Whether more of it is better."""
        return self.metric not in LOWER_IS_BETTER

    def count_of(self, stage: str) -> int:
        """Trainings of a stage: a quarter of all are fine ones, at least 3."""
        if stage not in self.stages:
            return 0
        fine = max(3, round(self.count / 4)) if "fine" in self.stages else 0
        return fine if stage == "fine" else self.count - fine

    def same_as(self) -> dict[str, Any]:
        """What must be equal for two plans to be of the same search; the count may grow."""
        found = {
            "format": 1, "study": self.name, "recipe": self.recipe.to_data(), "space": space_to_data(self.space),
            "stages": list(self.stages), "share": self.share, "sampler": self.sampler, "pruner": self.pruner,
            "seed": self.seed,
        }  # fmt: skip
        return json.loads(json.dumps(found))

    def to_yaml(self) -> str:
        """The plan as `search.yaml`; `read_plan` gives it back."""
        return format_yaml({**self.same_as(), "count": self.count})


def plan_search(
    recipe: Source, *, space: Any, settings: Mapping[str, Any], count: int, stages: Sequence[str], share: float,
    sampler: str, pruner: str, seed: int | None, name: str,
) -> SearchPlan:  # fmt: skip
    """Check everything that can be checked without data, and return the plan.

    Args:
        recipe: As `open_recipe` takes it.
        space: A file, plain data, or None: rate and weight decay around the recipe's own.
        settings: Laid over the recipe.
        count: Trainings in all.
        stages: Any of `STAGES`.
        share: Length of a coarse training.
        sampler: One of `SAMPLERS`.
        pruner: One of `PRUNERS`.
        seed: Of the sampler; the recipe's when None.
        name: Of the study.

    Raises:
        RecipeError: The recipe or the space is not valid, or the recipe does not take a value of the space.
        UsageError: A stage, sampler, pruner, count or share that there is not.
    """
    found = open_recipe(recipe, settings)
    check_options(found)
    if found.model.name == OWN:
        raise RecipeError("a search trains networks of recipes only", expected="a model by its name")
    for what, word, known in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
        if word not in known:
            raise UsageError(f'there is no {what} "{word}"', remedy=unknown(what, word, known))
    chosen = _stages(stages)
    if not 0 < share <= 1:
        raise UsageError("such a share of a training cannot be trained", expected="above 0, at most 1", got=share)
    trains = [stage for stage in chosen if stage in TRAINING]
    least = 4 if len(trains) > 1 else 1
    if trains and not least <= count <= MOST:
        expected = f"{least} to {MOST} for {' and '.join(trains)}"
        raise UsageError("such a number of trainings makes no search", expected=expected, got=count)
    axes = default_space(found) if space is None and trains else {} if space is None else read_space(space)
    check_space(found, axes, settings)
    return SearchPlan(
        name, found, axes, chosen, count, share, sampler, pruner, found.train.seed if seed is None else seed
    )


def read_plan(folder: Path) -> SearchPlan:
    """Return the plan of a search's folder.

    Raises:
        RecipeError: `search.yaml` is missing, damaged, or of another version.
    """
    data = read_recipe(folder / "search.yaml")
    try:
        return SearchPlan(
            name=str(data["study"]),
            recipe=open_recipe(data["recipe"]),
            space=space_from_data(data["space"]) if data["space"] else {},
            stages=_stages(data["stages"]),
            count=int(data["count"]),
            share=float(data["share"]),
            sampler=str(data["sampler"]),
            pruner=str(data["pruner"]),
            seed=int(data["seed"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecipeError(f"{folder / 'search.yaml'} is damaged", expected="what a search writes") from error


def _stages(stages: Sequence[str]) -> tuple[str, ...]:
    for stage in stages:
        if stage not in STAGES:
            raise UsageError(f'there is no stage "{stage}"', remedy=unknown("stage", str(stage), STAGES))
    if not stages:
        raise UsageError("no stage is named", expected=", ".join(STAGES))
    if "fine" in stages and "coarse" not in stages:
        raise UsageError("the fine stage searches around the best of the coarse one", remedy="--stages coarse,fine")
    return tuple(stage for stage in STAGES if stage in stages)


def default_space(recipe: Recipe) -> dict[str, Axis]:
    """Return the space that is searched where none is given: rate and weight decay, on log scales.

    Raises:
        RecipeError: The recipe's optimizer has no rate.

    Example:
        >>> default_space(open_recipe("digits-softmax", {"optim.lr": 0.01}))["optim.lr"].scale
        'log'

    Source:
        LECTURES B12.
    """
    known = all_options(TABLES["optim"], recipe.optim, "optim")
    rate = known.get("lr")
    if recipe.train.steps == 0 or not isinstance(rate, float | int) or not rate > 0:
        raise RecipeError(
            f"nothing is known to search for {recipe.model.name} fitted by {recipe.optim.name}",
            remedy="--space FILE.yaml, with lines such as `model.k: {low: 1, high: 25}`",
        )
    found = {RATE: Axis(float(f"{rate / _APART:.3g}"), float(f"{rate * _APART:.3g}"), "log")}
    decay = known.get("weight_decay")
    if decay:
        found["optim.weight_decay"] = Axis(float(f"{decay / _APART:.3g}"), float(f"{decay * _APART:.3g}"), "log")
    elif "weight_decay" in known:
        found["optim.weight_decay"] = Axis(*_DECAY, "log")
    return found


def read_space(space: Any) -> dict[str, Axis]:
    """Return the space of a file or of plain data.

    Raises:
        RecipeError: It cannot be read, or is no space.
    """
    if isinstance(space, str | Path):
        return space_from_data(read_recipe(Path(space)), source=f"the space {space}")
    return space_from_data(space)


def check_space(recipe: Recipe, space: Mapping[str, Axis], settings: Mapping[str, Any]) -> None:
    """See that the recipe takes the values at the ends of each axis, and each choice.

    Raises:
        RecipeError: It has no such setting (the nearest is suggested), or does not take the value; or the setting is
            none that a search chooses.
    """
    data = recipe.to_data()
    for name, axis in space.items():
        if name in _FIXED:
            raise RecipeError(f"{name} cannot be searched", remedy=_FIXED[name])
        if name in settings:
            raise RecipeError(f"{name} is set and searched", remedy=f"leave --{name} or its axis out")
        for value in axis.examples:
            try:
                check_options(open_recipe(data, {name: value}))
            except RecipeError as error:
                raise RecipeError(
                    f"the space: {name}: {value!r}: {error.what}",
                    expected=error.expected, got=error.got, remedy=error.remedy,
                ) from error  # fmt: skip


def recipe_of(plan: SearchPlan, stage: str, settings: Mapping[str, Any], *, per_epoch: float | None) -> Recipe:
    """Return the recipe that a trial trains.

    A coarse training is a share of the recipe's length, its schedule with it, and measured at least `RUNGS` times.
    None reads the test part; each keeps one checkpoint beside the best.

    Args:
        plan: Of the search.
        stage: "coarse" or "fine".
        settings: The trial's.
        per_epoch: Steps of an epoch at the recipe's own batch; None where there are none.

    Raises:
        RecipeError: The settings do not go together.
    """
    train = plan.recipe.train
    laid: dict[str, Any] = {"train.test": False, "train.keep": 1}
    if stage == "coarse" and train.steps != 0:
        if train.epochs is not None:
            length = train.epochs * plan.share
            laid["train.epochs"] = length
            batch = settings.get("train.batch", train.batch)
            steps = (per_epoch or 0.0) * train.batch / batch * length
            often = length < RUNGS
        else:
            steps = max(1, round((train.steps or 0) * plan.share))
            laid["train.steps"] = steps
            often = True
        if often and not train.evaluate_every and steps:
            laid["train.evaluate_every"] = max(1, round(steps / RUNGS))
    found = open_recipe(plan.recipe.to_data(), {**settings, **laid})
    check_options(found)
    return found


def best_recipe(plan: SearchPlan, settings: Mapping[str, Any]) -> Recipe:
    """Return the recipe with a trial's settings, as long as the recipe is and with its test part."""
    return open_recipe(plan.recipe.to_data(), settings)


def own_values(plan: SearchPlan) -> dict[str, Any]:
    """Return the recipe's own value of each setting that is searched, where it has one."""
    found = {}
    for name in plan.space:
        section, _, key = name.partition(".")
        part = getattr(plan.recipe, section)
        known = all_options(TABLES[section], part, section) if section in TABLES else {}
        known = {**known, **part.model_dump(mode="python")}
        if known.get(key) is not None:
            found[name] = known[key]
    return json.loads(json.dumps(found))
