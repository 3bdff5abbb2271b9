"""Recipes that skip pictures which cannot be read: what does not go with that."""

from __future__ import annotations

from chainrule.core.errors import RecipeError
from chainrule.core.recipe import ImageRecipe


def check_bad_examples(recipe: ImageRecipe) -> None:
    """Refuse to skip pictures where a table of all of them is made before the first step.

    Raises:
        RecipeError: There are features.
    """
    if recipe.data.bad_examples == "skip" and recipe.data.features:
        raise RecipeError(
            "data.bad_examples: features are computed once, of every picture",
            expected="error beside data.features",
            got="skip",
            remedy="--data.bad_examples error",
        )
