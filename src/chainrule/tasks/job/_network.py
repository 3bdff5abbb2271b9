"""The network of a recipe."""

from __future__ import annotations

import torch
from torch import nn

from chainrule.core.errors import RecipeError
from chainrule.core.recipe import ImageRecipe, Recipe
from chainrule.core.registry import Registry
from chainrule.core.sections import OWN
from chainrule.models import MODELS
from chainrule.nn import initialize
from chainrule.tasks._model_card import with_size_of_card
from chainrule.tasks.job._job import Network
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
    return drawn(recipe, model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def build_text_network(recipe: Recipe, table: Registry, network: Network | None, *sizes: int) -> nn.Module:
    """Build the network of a recipe whose inputs are tokens.

    Args:
        recipe: Which network, and how its layers begin.
        table: Where its name stands.
        network: What builds it, where it is one's own.
        sizes: What it is built for: of a vocabulary, of two, of a vocabulary and classes.

    Raises:
        RecipeError: The model's name is "own" and no network is given, it cannot be built, or filters of images are
            asked for.
    """
    if recipe.init.first != "as the others":
        raise RecipeError(
            "init.first makes filters from patches of images", got=f"task: {recipe.task}", remedy="leave it out"
        )
    if recipe.model.name == OWN:
        return drawn(recipe, own_network(recipe, network, *sizes))
    return drawn(recipe, table.resolve(recipe.model.name)(*sizes, **options(TABLES["model"], recipe.model, "model")))


def drawn(recipe: Recipe, model: nn.Module) -> nn.Module:
    """Return a network whose layers begin as its recipe says."""
    if recipe.init.scheme != "own":
        initialize(model, recipe.init.scheme, bias=recipe.init.bias)
    return model


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
