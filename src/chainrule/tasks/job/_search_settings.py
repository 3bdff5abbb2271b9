"""How a search goes where something else is asked than the recipe says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from chainrule.core.errors import UsageError, unknown
from chainrule.core.recipe import Recipe, WriteRecipe
from chainrule.core.sections import Decode


def decode_settings(recipe: WriteRecipe, **given: Any) -> Decode:
    """Return how a search goes: as the recipe says, but for what is given and not None.

    Raises:
        UsageError: There is no such setting, or a value is out of its range; says which.
    """
    asked = {name: value for name, value in given.items() if value is not None}
    for name in asked:
        if name not in Decode.model_fields:
            raise UsageError(
                f'there is no setting "decode.{name}"', remedy=unknown("setting", name, Decode.model_fields)
            )
    try:
        return Decode.model_validate({**recipe.decode.model_dump(), **asked})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name, message = ".".join(map(str, first["loc"])), str(first["msg"])
        raise UsageError(f"{name}: {message[:1].lower()}{message[1:]}", got=first.get("input")) from None


def with_decode(recipe: Recipe, given: Mapping[str, Any]) -> Recipe:
    """Return a recipe whose search goes as it says, but for what is given.

    Raises:
        UsageError: The task does not search; there is no such setting, or a value is out of its range.
    """
    if not given:
        return recipe
    if not isinstance(recipe, WriteRecipe):
        raise UsageError("only translations and captions are searched for", got=f"a run of the task {recipe.task}")
    return recipe.model_copy(update={"decode": decode_settings(recipe, **given)})
