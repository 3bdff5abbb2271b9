"""The recipes and studies that come with the package: one YAML file each, with its measured result at the top."""

from __future__ import annotations

import re
from pathlib import Path

from chainrule.core.errors import RecipeError, unknown

_FOLDER = Path(__file__).parent


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package.

    Example:
        >>> "digits-cnn" in recipe_names()
        True
    """
    return sorted(path.stem for path in _FOLDER.glob("*.yaml") if not _compares(path))


def study_names() -> list[str]:
    """Names of the studies that come with the package: recipes that compare recipes.

    Example:
        >>> "cifar10-depth" in study_names()
        True
    """
    return sorted(path.stem for path in _FOLDER.glob("*.yaml") if _compares(path))


def _compares(path: Path) -> bool:
    return re.search(r"^compare:", path.read_text(encoding="utf-8"), re.MULTILINE) is not None


def recipe_file(name: str) -> Path:
    """Return the file of a recipe or study: one that comes with the package, or a path to one's own.

    Raises:
        RecipeError: There is none of this name; the nearest is suggested.
    """
    names = [*recipe_names(), *study_names()]
    if name in names:
        return _FOLDER / f"{name}.yaml"
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or "/" in name or path.is_file():
        return path
    raise RecipeError(f'there is no recipe "{name}"', remedy=unknown("recipe", name, names))


def recipe_text(name: str) -> str:
    """The text of a recipe, with the comments at its top."""
    return recipe_file(name).read_text(encoding="utf-8")


def measured(name: str) -> str:
    """The first figure that a recipe reaches, as the comment at its top says; empty where nothing was measured.

    Example:
        >>> measured("digits-cnn").startswith("test accuracy")
        True
    """
    first = recipe_text(name).partition("\n")[0]
    told = first.removeprefix("# Measured: ").partition(";")[0]
    return "" if told in (first, "not yet.") else told
