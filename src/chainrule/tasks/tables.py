"""The tables of registered parts, and the options that each part takes."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from chainrule.core.errors import RecipeError, unknown
from chainrule.core.recipe import CLASSIFY, FORMS, ImageRecipe, Recipe, named_parts, recipe_from_data
from chainrule.core.registry import Registries, Registry
from chainrule.core.sections import OWN, Named, Section
from chainrule.core.settings import lay_over, read_recipe
from chainrule.core.study import Study, is_study, study_from_data
from chainrule.data import EVERY_SET
from chainrule.data.tokenizers import TOKENIZERS
from chainrule.losses import LOSSES
from chainrule.models import EVERY_MODEL, MODELS
from chainrule.ops import FEATURES
from chainrule.optim import OPTIMIZERS, SCHEDULES, TEACHING
from chainrule.optim.solvers import SOLVERS
from chainrule.recipes import recipe_file
from chainrule.tasks._model_card import with_images_of_card

Table = Registry | Registries
Source = str | Path | Mapping[str, Any] | Recipe

TABLES: Mapping[str, Table] = {
    "data": EVERY_SET,
    "data.features": FEATURES,
    "data.tokenizer": TOKENIZERS,
    "encoder": MODELS,
    "model": EVERY_MODEL,
    "loss": LOSSES,
    "optim": Registries("optimizer", OPTIMIZERS, SOLVERS),
    "schedule": SCHEDULES,
    "teaching": TEACHING,
}
"""Place in a recipe -> the parts that a `name` there may name."""


def open_recipe(source: Source, settings: Mapping[str, Any] | None = None) -> Recipe:
    """Return the recipe of a name, a file or plain data, with settings laid over it.

    Args:
        source: The name of a recipe that comes with the package, the path of a YAML file, or plain data.
        settings: Such as `{"optim.lr": 0.01}`.

    Raises:
        RecipeError: It cannot be found, or a key, name or value is not valid.

    Example:
        >>> open_recipe("digits-softmax", {"train.epochs": 3}).train.epochs
        3.0
    """
    data, label = read_source(source)
    if is_study(data):
        raise RecipeError(f"{label} is a study, which compares recipes", expected="a recipe of one training")
    recipe = recipe_from_data(lay_over(data, settings or {}), TABLES, source=label)
    _check_task(recipe, label)
    return with_images_of_card(recipe) if isinstance(recipe, ImageRecipe) else recipe


def images_only(recipe: Recipe, what: str) -> ImageRecipe:
    """Return a recipe of images, for what works on these alone.

    Raises:
        RecipeError: It is of another task.
    """
    if not isinstance(recipe, ImageRecipe):
        raise RecipeError(f"{what} needs a recipe that classifies images", got=f"the task {recipe.task}")
    return recipe


def _check_task(recipe: Recipe, label: str) -> None:
    """Refuse data and networks of another task.

    Raises:
        RecipeError: Says which task they are for.
    """
    for place, part in (("data", recipe.data), ("model", recipe.model)):
        if part.name == OWN:
            continue
        made_for = _made_for(TABLES[place], part.name)
        if recipe.task not in made_for:
            raise RecipeError(
                f"{label}: {place}.name: {part.name} is for the task {' and '.join(made_for)}",
                expected=f"one for the task {recipe.task}",
                remedy=unknown(TABLES[place].kind, part.name, _for_task(TABLES[place], recipe.task)),
            )


def _for_task(table: Table, task: str) -> list[str]:
    return [name for name in table if task in _made_for(table, name)]


def _made_for(table: Table, name: str) -> list[str]:
    """The tasks that a card says: `task`, and `also` others."""
    card = table.entry(name).card
    return [card.get("task", CLASSIFY), *card.get("also", ())]


def open_study(source: Source, settings: Mapping[str, Any] | None = None) -> tuple[Study, dict[str, Recipe]]:
    """Return a study, and its recipes by label, as they are trained: all of them are checked.

    Args:
        source: As of `open_recipe`. In a file, paths of recipes start at its folder.
        settings: Laid over every recipe, after the settings that the study has for all and for each.

    Returns:
        The study as it was written, and label -> recipe.

    Raises:
        RecipeError: It is no study, or one of its recipes cannot be found or is not valid; says which.

    Example:
        >>> data = {"compare": ["digits-mlp", "digits-svm"], "all": {"train.epochs": 2}}
        >>> {label: recipe.train.epochs for label, recipe in open_study(data)[1].items()}
        {'digits-mlp': 2.0, 'digits-svm': 2.0}
    """
    data, label = read_source(source)
    if not is_study(data):
        raise RecipeError(f"{label} is no study", expected="recipes under `compare:`")
    folder = recipe_file(str(source)).parent.absolute() if isinstance(source, (str, Path)) else None
    study = study_from_data(data, source=label, folder=folder)
    recipes = {}
    for name, member in study.members.items():
        try:
            base, _ = read_source(member.recipe)
            if not is_study(base):
                base = lay_over(lay_over(base, study.settings), member.settings)
            recipes[name] = open_recipe(base, settings)
            check_options(recipes[name])
        except RecipeError as error:
            raise RecipeError(
                f"{label}: compare.{name}: {error.what}", expected=error.expected, got=error.got, remedy=error.remedy
            ) from error
    return study, recipes


def read_source(source: Source) -> tuple[dict[str, Any], str]:
    """Return the data of a recipe or study, not checked yet, and what errors call it.

    Raises:
        RecipeError: It cannot be found or read, or holds no sections at all.
    """
    if isinstance(source, (str, Path)):
        data, label = read_recipe(recipe_file(str(source))), f"recipe {source}"
    else:
        given = source.model_dump(exclude_unset=True) if isinstance(source, Recipe) else dict(source)
        data, label = given, "the recipe"
    if not isinstance(data, dict):
        raise RecipeError(f"{label} is no recipe", expected="sections such as `data:` and `train:`")
    return data, label


def check_options(recipe: Recipe) -> None:
    """Check the keys of each named section against the signature of the function behind the name.

    Raises:
        RecipeError: An unknown key (the nearest is suggested), a missing one, or a value of the wrong type.
    """
    for place, named in named_parts(recipe):
        if place == "model" and named.name == OWN:
            continue
        options(TABLES[place], named, place)
    for group in recipe.optim.groups:
        options(TABLES["optim"], Named(name=recipe.optim.name, **group.options), f"optim.groups {group.of}")


def options(table: Table, named: Named, section: str) -> dict[str, Any]:
    """Return the options of one section, with the types that its function asks for."""
    function = table.resolve(named.name)
    accepted = _accepted(table, named.name)
    given = named.options
    parameters = inspect.signature(function, eval_str=True).parameters  # of a class those of its constructor
    hints = {name: parameter.annotation for name, parameter in parameters.items()}
    result: dict[str, Any] = {}
    for key, value in given.items():
        if key not in accepted:
            raise RecipeError(
                f'{section}.{key}: the {table.kind} "{named.name}" has no option "{key}"',
                remedy=unknown("option", key, {*accepted, *type(named).model_fields}),
            )
        result[key] = _typed(value, hints.get(key, Any), f"{section}.{key}")
    for key, parameter in accepted.items():
        if parameter.default is inspect.Parameter.empty and key not in given:
            raise RecipeError(
                f'{section}.{key} is missing: the {table.kind} "{named.name}" needs it', remedy=f"add --{section}.{key}"
            )
    return result


def accepted_options(function: Any) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of a registered function: what a recipe may set."""
    return {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def _accepted(table: Table, name: str) -> dict[str, inspect.Parameter]:
    """What a recipe may set beside a name; what the table's card calls `given` is said elsewhere in it."""
    given = table.entry(name).card.get("given", ())
    return {key: value for key, value in accepted_options(table.resolve(name)).items() if key not in given}


def all_options(table: Table, named: Named, section: str) -> dict[str, Any]:
    """Return the options of one section, and the defaults of those that it leaves out."""
    defaults = {key: parameter.default for key, parameter in _accepted(table, named.name).items()}
    return defaults | options(table, named, section)


def recipe_keys(section: str | None = None) -> list[dict[str, str]]:
    """Every key of a recipe, options of the registered parts included.

    Args:
        section: Only the keys of this one.

    Returns:
        `{"key", "part", "task", "default", "about"}` of each; the task only where not every task has the key.

    Raises:
        RecipeError: There is no such section.

    Example:
        >>> [row["key"] for row in recipe_keys("penalty")]
        ['penalty.l2', 'penalty.l1', 'penalty.on']
    """
    sections = _sections()
    if section is not None and section not in sections:
        raise RecipeError(f'there is no section "{section}"', remedy=unknown("section", section, sections))
    rows = []
    for name in sections if section is None else [section]:
        for key, (field, tasks) in sections[name].items():
            default = "" if field.is_required() else _written(field.default)
            only = "" if len(tasks) == len(FORMS) else ", ".join(tasks)
            about = field.description or ""
            rows.append({"key": f"{name}.{key}", "part": "", "task": only, "default": default, "about": about})
        for place, table in TABLES.items():
            if place.partition(".")[0] == name:
                rows += [row for part in table for row in _option_rows(place, table, part)]
    return rows


def _sections() -> dict[str, dict[str, tuple[FieldInfo, list[str]]]]:
    """Section -> its keys, each as the first of the tasks has it, and which tasks have it."""
    found: dict[str, dict[str, tuple[FieldInfo, list[str]]]] = {}
    for task, form in FORMS.items():
        for name, field in form.model_fields.items():
            kind = field.annotation
            if isinstance(kind, type) and issubclass(kind, (Section, Named)):
                for key, inner in kind.model_fields.items():
                    found.setdefault(name, {}).setdefault(key, (inner, []))[1].append(task)
    return found


def _option_rows(place: str, table: Table, part: str) -> list[dict[str, str]]:
    """The options of one registered part, as rows of `recipe_keys`."""
    about, rows = argument_texts(table.resolve(part)), []
    for key, parameter in _accepted(table, part).items():
        default = "" if parameter.default is inspect.Parameter.empty else _written(parameter.default)
        row = {"key": f"{place}.{key}", "part": part, "task": "", "default": default, "about": about.get(key, "")}
        rows.append(row)
    return rows


def argument_texts(function: Any) -> dict[str, str]:
    """What the docstring of a function says about each of its arguments.

    Example:
        >>> argument_texts(argument_texts)
        {'function': 'With a docstring in sections.'}

    Args:
        function: With a docstring in sections.
    """
    _, _, args = (inspect.getdoc(function) or "").partition("\nArgs:\n")
    found: dict[str, str] = {}
    for line in args.splitlines():
        if line and not line.startswith(" "):
            break
        if match := re.match(r" {4}(\w+): (.*)", line):
            found[match[1]] = match[2]
        elif found and line.strip():
            found[list(found)[-1]] += f" {line.strip()}"
    return found


def _written(value: Any) -> str:
    """A default as a recipe writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _typed(value: Any, hint: Any, place: str) -> Any:
    if isinstance(value, list) and _wants_tuple(hint):
        value = tuple(value)
    try:
        return TypeAdapter(hint, config=ConfigDict(strict=True, arbitrary_types_allowed=True)).validate_python(value)
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"]
        raise RecipeError(f"{place}: {message[:1].lower() + message[1:]}", got=repr(value)[:60]) from None


def _wants_tuple(hint: Any) -> bool:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return any(_wants_tuple(part) for part in typing.get_args(hint))
    return hint is tuple or typing.get_origin(hint) in (tuple, typing.get_origin(typing.Sequence[int]))
