"""The recipes of a study: a group of runs, or of seeds of each, and what each of them reached."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chainrule.core.errors import CheckpointError, RecipeError
from chainrule.core.folder import RunFolder
from chainrule.core.recipe import Recipe
from chainrule.core.settings import setting
from chainrule.core.strict_yaml import parse_yaml
from chainrule.core.study import Member, Study
from chainrule.tasks.runs._repeats import repeats
from chainrule.tasks.runs._run import Run
from chainrule.tasks.runs._run_group import Group, Single
from chainrule.tasks.tables import open_recipe, open_study

_SUMMARY = ("valid", "test", "best_step", "steps", "seconds", "seeds")


def study_group(
    recipes: Mapping[str, Recipe],
    *,
    name: str,
    about: str,
    commands: Mapping[str, str],
    count: int | None = None,
    command: str | None = None,
) -> Group:
    """Return the runs of a study.

    Args:
        recipes: Label -> recipe.
        name: Of the study.
        about: Its one line.
        commands: Label -> what makes that run alone.
        count: How many seeds of each, at least 2; one run of each when left out.
        command: What makes all of them; that of the folder stays when left out.

    Raises:
        UsageError: A count below two.
        RecipeError: The recipes, written out, are too long to be read again.
    """
    text = Study({label: Member(recipe.to_data()) for label, recipe in recipes.items()}, about=about).to_yaml()
    parse_yaml(text, source="the study with all settings of its recipes")
    members: dict[str, Single | Group] = {}
    for label, recipe in recipes.items():
        if count is None:
            members[label] = Single(recipe, label, commands[label])
        else:
            all_seeds = f"{commands[label]} --repeats {count}"
            members[label] = repeats(recipe, count, name=label, command_of_one=commands[label], command=all_seeds)
    facts = {"about": about, "members": dict(commands), "count": count}
    return Group("study", name, text, members, of_each, facts=facts, command=command)


def group_of_folder(folder: RunFolder) -> Group:
    """Return the runs of a study as they stand in its folder.

    Raises:
        CheckpointError: The folder is damaged.
    """
    info = folder.info()
    try:
        study, recipes = open_study(folder.recipe)
    except RecipeError as error:
        raise CheckpointError(f"the study of {folder.path} is damaged or of another version: {error}") from error
    if list(recipes) != list(info["members"]):
        raise CheckpointError(
            f"{folder.info_file} is damaged",
            expected=f"the members {', '.join(recipes)}",
            got=", ".join(info["members"]),
        )
    return study_group(recipes, name=info["name"], about=study.about, commands=info["members"], count=info.get("count"))


def of_each(runs: Sequence[Run]) -> dict[str, Any]:
    """Return what each member of a study reached.

    Returns:
        `{"seconds": of all trainings, "members": {label: {"valid", "test", "parameters", "steps", "seconds", ...}}}`.
    """
    members = {}
    for run in runs:
        result = run.result or {}
        found = {key: result[key] for key in _SUMMARY if key in result}
        members[run.path.name] = {**found, "parameters": run.info.get("parameters")}
    return {"seconds": round(sum(found.get("seconds", 0.0) for found in members.values()), 3), "members": members}


def commands_of(
    study: Study, recipes: Mapping[str, Recipe], settings: Mapping[str, Any], *, folder: Path
) -> dict[str, str]:
    """Return what makes each run of a study alone: its recipe's name with settings, or the recipe that the run keeps.

    Args:
        study: As it was written.
        recipes: Label -> recipe, as it is trained.
        settings: Laid over all of them.
        folder: Of the study's runs.
    """
    found = {}
    for label, member in study.members.items():
        words = {key: _word(value) for key, value in {**study.settings, **member.settings, **settings}.items()}
        if isinstance(member.recipe, str) and _gives(member.recipe, words, recipes[label]):
            pairs = [word for key, text in words.items() for word in (f"--{key}", text)]
            found[label] = shlex.join(["chainrule", "train", member.recipe, *pairs])
        else:
            found[label] = shlex.join(["chainrule", "train", str(folder / label / "recipe.yaml")])
    return found


def _gives(source: str, words: Mapping[str, str], recipe: Recipe) -> bool:
    """Whether settings, as the command line reads them, give a recipe: a new `name` may drop what was set before it."""
    try:
        return open_recipe(source, {key: setting(text) for key, text in words.items()}) == recipe
    except RecipeError:
        return False


def _word(value: Any) -> str:
    """The value of a setting as the command line takes it."""
    return value if isinstance(value, str) else json.dumps(value)
