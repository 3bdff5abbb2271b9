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

from chainrule.core.errors import RecipeError, unknown
from chainrule.core.recipe import OWN, Data, Named, Recipe, Section, lay_over, read_recipe, recipe_from_data
from chainrule.core.registry import Registry
from chainrule.data import DATA
from chainrule.losses import LOSSES
from chainrule.models import MODELS
from chainrule.optim import OPTIMIZERS, SCHEDULES
from chainrule.recipes import recipe_file

TABLES: Mapping[str, Registry] = {
    "data": DATA,
    "model": MODELS,
    "loss": LOSSES,
    "optim": OPTIMIZERS,
    "schedule": SCHEDULES,
}
"""Section of a recipe -> the parts that its `name` may name."""


def open_recipe(source: str | Path | Mapping[str, Any] | Recipe, settings: Mapping[str, Any] | None = None) -> Recipe:
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
    if isinstance(source, Recipe):
        data: Any = source.to_data()
        label = "the recipe"
    elif isinstance(source, Mapping):
        data, label = dict(source), "the recipe"
    else:
        path = recipe_file(str(source))
        data, label = read_recipe(path), f"recipe {source}"
    if not isinstance(data, dict):
        raise RecipeError(f"{label} is no recipe", expected="sections such as `data:` and `train:`")
    return recipe_from_data(lay_over(data, settings or {}), TABLES, source=label)


def check_options(recipe: Recipe) -> None:
    """Check the keys of each named section against the signature of the function behind the name.

    Raises:
        RecipeError: An unknown key (the nearest is suggested), a missing one, or a value of the wrong type.
    """
    for section, table in TABLES.items():
        named: Named = getattr(recipe, section)
        if section == "model" and named.name == OWN:
            continue
        options(table, named, section)


def options(table: Registry, named: Named, section: str) -> dict[str, Any]:
    """Return the options of one section, with the types that its function asks for."""
    function = table.resolve(named.name)
    accepted = accepted_options(function)
    given = {key: value for key, value in named.options.items() if not (section == "data" and key in Data.model_fields)}
    hints = typing.get_type_hints(function)
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


def recipe_keys(section: str | None = None) -> list[dict[str, str]]:
    """Every key of a recipe, options of the registered parts included: `{"key", "part", "default", "about"}`.

    Args:
        section: Only the keys of this one.

    Raises:
        RecipeError: There is no such section.

    Example:
        >>> [row["key"] for row in recipe_keys("penalty")]
        ['penalty.l2', 'penalty.l1', 'penalty.on']
    """
    sections = {name: field for name, field in Recipe.model_fields.items() if isinstance(field.annotation, type)}
    sections = {name: field for name, field in sections.items() if issubclass(field.annotation, (Section, Named))}  # type: ignore[arg-type]
    if section is not None and section not in sections:
        raise RecipeError(f'there is no section "{section}"', remedy=unknown("section", section, sections))
    rows = []
    for name in sections if section is None else [section]:
        for key, field in sections[name].annotation.model_fields.items():  # type: ignore[union-attr]
            default = "" if field.is_required() else _written(field.default)
            rows.append({"key": f"{name}.{key}", "part": "", "default": default, "about": field.description or ""})
        for part in TABLES.get(name, ()):
            function = TABLES[name].resolve(part)
            about = argument_texts(function)
            for key, parameter in accepted_options(function).items():
                default = "" if parameter.default is inspect.Parameter.empty else _written(parameter.default)
                rows.append({"key": f"{name}.{key}", "part": part, "default": default, "about": about.get(key, "")})
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
