"""Recipes as they are given: files, and settings such as `--optim.lr 0.01` laid over them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from chainrule.core.errors import RecipeError, unknown
from chainrule.core.recipe import CLASSIFY, fields_of, section_names
from chainrule.core.sections import Named
from chainrule.core.strict_yaml import MAX_BYTES, parse_yaml, scalar


def lay_over(data: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return recipe data with settings such as `optim.lr` laid over it.

    A new `name` for a section takes that part's own defaults: the section's other keys are dropped first.

    Raises:
        RecipeError: A setting that names no section and key.

    Example:
        >>> lay_over({"optim": {"name": "adam", "lr": 0.001}}, {"optim.name": "sgd"})
        {'optim': {'name': 'sgd'}}
        >>> lay_over({"optim": {"name": "adam", "lr": 0.001}}, {"optim.lr": 0.01})
        {'optim': {'name': 'adam', 'lr': 0.01}}
    """
    task = data.get("task", CLASSIFY) if data else None
    fields = fields_of(task)
    merged: dict[str, Any] = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    for path in sorted(settings, key=lambda path: not path.endswith(".name")):
        section, dot, key = path.partition(".")
        if not dot or not key or "." in key:
            raise RecipeError(
                f'"{path}" is no setting of a recipe',
                expected="--section.key value, such as --optim.lr 0.01",
                remedy=unknown("section", section, fields),
            )
        if section not in fields:
            raise RecipeError(
                f'there is no section "{section}"', remedy=unknown("section", section, section_names(task))
            )
        old = merged.get(section)
        values = old if isinstance(old, dict) else _standard(fields[section])
        if key == "name" and values.get("name") != settings[path]:
            values = {word: value for word, value in values.items() if section == "data" and word in _keys(fields)}
        values[key] = settings[path]
        if section == "train" and key in ("epochs", "steps"):
            values.pop({"epochs": "steps", "steps": "epochs"}[key], None)
        merged[section] = values
    return merged


def setting(text: str) -> Any:
    """Read the value of a setting from the command line: a YAML scalar, or a list in brackets.

    Example:
        >>> setting("1e-3"), setting("[64, 32]"), setting("cosine")
        (0.001, [64, 32], 'cosine')
    """
    return parse_yaml(text, source="the setting") if text[:1] in ("[", "{") else scalar(text)


def read_recipe(path: Path) -> Any:
    """Read the data of a recipe file without checking them.

    Raises:
        RecipeError: There is no such file, or it is not the YAML of a recipe.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 4)  # what is larger is refused without being read
    except IsADirectoryError:
        raise RecipeError(f"{path} is a folder", expected="a recipe file") from None
    except OSError as error:
        raise RecipeError(f"the recipe {path} cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES + 3:  # a byte order mark does not count
        raise RecipeError(f"the recipe {path} is too large", expected=f"at most {MAX_BYTES:,} bytes")
    try:
        return parse_yaml(raw.decode("utf-8-sig"), source=str(path))
    except UnicodeDecodeError as error:
        raise RecipeError(f"the recipe {path} is not text in UTF-8", got=f"byte {raw[error.start]:#04x}") from None


def _keys(fields: Mapping[str, FieldInfo]) -> set[str]:
    """Keys of the data section that are no options of a source: they stay where it gets a new name."""
    kind: Any = fields["data"].annotation
    return set(kind.model_fields)


def _standard(section: FieldInfo) -> dict[str, Any]:
    """What a section holds when a recipe leaves it out: its name, if it has one."""
    default = section.default
    return {"name": default.name} if isinstance(default, Named) else {}
