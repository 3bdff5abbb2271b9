"""The settings of a run, as its recipe has them."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.core.errors import RecipeError
from chainrule.core.strict_yaml import parse_yaml
from chainrule.draw.facts import Facts
from chainrule.draw.sections.data import flat_pairs


def settings(run: Facts) -> dict[str, str]:
    """Return the settings by their dotted names, as texts; none where the recipe cannot be read.

    Example:
        >>> from pathlib import Path
        >>> settings(Facts(Path("run"), recipe="data: {name: digits, split_seed: 3}"))
        {'data.name': 'digits', 'data.split_seed': '3'}
    """
    try:
        data = parse_yaml(run.recipe or "")
    except RecipeError:
        return {}
    return {name.replace(" ", "."): value for name, value in flat_pairs(data)} if isinstance(data, Mapping) else {}
