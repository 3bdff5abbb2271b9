"""The run whose weights a recipe begins with."""

from __future__ import annotations

from pathlib import Path

from chainrule.core.folder import RunFolder
from chainrule.core.recipe import Recipe


def given_run(recipe: Recipe) -> RunFolder | None:
    """Return the run whose weights a recipe begins with; None where it begins with others, or none.

    Example:
        >>> from chainrule.tasks import open_recipe
        >>> given_run(open_recipe("sentiment-transformer")) is None
        True
    """
    if recipe.model.weights is None:
        return None
    path = Path(recipe.model.weights).expanduser()
    folder = RunFolder(path.parent)
    return folder if path.name == folder.model.name and folder.info_file.is_file() else None
