"""What the card of a recipe's model says about its images."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from chainrule.core.errors import RecipeError
from chainrule.core.recipe import ImageRecipe, Recipe
from chainrule.core.sections import CARD, OWN, ImageData
from chainrule.data import DATA
from chainrule.models import EVERY_MODEL


def card_of(recipe: Recipe) -> Mapping[str, Any]:
    """The card of a recipe's model; empty for a network of one's own."""
    return {} if recipe.model.name == OWN else EVERY_MODEL.entry(recipe.model.name).card


def heads_of(recipe: Recipe) -> int | None:
    """How many heads of a recipe's network learn and answer for themselves; None where it has one answer.

    Example:
        >>> from chainrule.tasks import open_recipe
        >>> settings = {"model.name": "shared_trunk", "model.trunk": "CONV3-8 | RELU", "model.heads": 4}
        >>> heads_of(open_recipe("digits-mlp", settings)), heads_of(open_recipe("digits-mlp"))
        (4, None)
    """
    option = card_of(recipe).get("heads")
    if option is None:
        return None
    default = inspect.signature(EVERY_MODEL.resolve(recipe.model.name)).parameters[option].default
    heads: int = recipe.model.options.get(option, default)
    return heads


def with_images_of_card(recipe: ImageRecipe) -> ImageRecipe:
    """Return a recipe with given weights in which the images are prepared as its model's card says.

    What the recipe says itself stays: `data.normalize`, and `size` and `resize` of a source that takes them.

    Example:
        >>> from chainrule.tasks import open_recipe
        >>> settings = {"data.folder": "photos", "data.name": "folder", "model.name": "squeezenet"}
        >>> open_recipe("digits-cnn", {**settings, "model.weights": "squeezenet1_0"}).data.options
        {'folder': 'photos', 'size': 224, 'resize': 256}
    """
    images = card_of(recipe).get("images")
    if recipe.model.weights is None or images is None or recipe.data.features:
        return recipe
    given, takes = recipe.data.options, inspect.signature(DATA.resolve(recipe.data.name)).parameters
    size = {} if {"size", "resize"} & given.keys() else {"size": images["size"], "resize": images["resize"]}
    data = {key: value for key, value in size.items() if key in takes}
    if "normalize" not in recipe.data.model_fields_set:
        data["normalize"] = CARD
    return recipe.model_copy(update={"data": ImageData.model_validate({**recipe.data.model_dump(), **data})})


def with_size_of_card(error: RecipeError, recipe: ImageRecipe, shape: tuple[int, ...]) -> RecipeError:
    """Return the error of a network that refuses images; of too small ones it says the size that the card asks for.

    Args:
        error: As the builder raised it.
        recipe: Which network, and which data.
        shape: (C, H, W) of the images.
    """
    card = card_of(recipe)
    least, forms = card.get("least"), card.get("forms")
    if not least or not forms or len(shape) != 3 or (shape[1] >= least[1] and shape[2] >= least[2]):
        return error
    channels, height, width = forms[0]["input"]
    remedy = f"its published form takes {height}x{width}x{channels}"
    if "size" in inspect.signature(DATA.resolve(recipe.data.name)).parameters:
        remedy += f": --data.size {height}"
    remedy = "; ".join(text for text in (remedy, error.remedy) if text)
    return RecipeError(error.what, expected=error.expected, got=error.got, remedy=remedy)
