"""The network of a recipe."""

from __future__ import annotations

import torch
from torch import nn

from chainrule.core.errors import RecipeError
from chainrule.core.recipe import ImageRecipe, Recipe
from chainrule.core.sections import OWN
from chainrule.models import MODELS
from chainrule.nn import initialize
from chainrule.tasks._card import with_size_of_card
from chainrule.tasks._job import Network
from chainrule.tasks.tables import TABLES, options


def build_network(
    recipe: ImageRecipe, shape: tuple[int, ...], classes: int, network: Network | None = None
) -> nn.Module:
    """Build the network of a recipe, with its convolutions in the layout that they compute fastest in.

    Raises:
        RecipeError: The model's name is "own" and no network is given.
    """
    if recipe.model.name == OWN:
        model = own_network(recipe, network)
    else:
        build, chosen = MODELS.resolve(recipe.model.name), options(TABLES["model"], recipe.model, "model")
        try:
            model = build(shape, classes, **chosen)
        except RecipeError as error:
            raise with_size_of_card(error, recipe, shape) from error
    if recipe.init.scheme != "own":
        initialize(model, recipe.init.scheme, bias=recipe.init.bias)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def own_network(recipe: Recipe, network: Network | None, *given: int) -> nn.Module:
    """Build the network that a person handed over.

    Args:
        recipe: Whose options of the model it is built with.
        network: What builds it.
        given: What the task gives it before the options.

    Raises:
        RecipeError: There is none, or it cannot be built.
    """
    if network is None:
        raise RecipeError("this recipe trains a network of one's own", remedy="give it: --model FILE.py:NAME")
    try:
        model = network(*given, **recipe.model.options)
    except Exception as error:  # a person's own code can fail in any way
        raise RecipeError(f"the network of one's own cannot be built: {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise RecipeError("what builds the network gives none", expected="a torch.nn.Module", got=type(model).__name__)
    return model
