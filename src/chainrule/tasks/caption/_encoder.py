"""The convolutional network of a recipe that sees pictures: built, with its weights, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from chainrule.core.errors import RecipeError
from chainrule.core.recipe import CaptionRecipe
from chainrule.data import Normalization
from chainrule.data.images import Files
from chainrule.models import MODELS
from chainrule.runtime.rng import derive
from chainrule.tasks.job._given_weights import check_options_of_weights, load_weights_of, normalization_of
from chainrule.tasks.tables import TABLES, options

PLACE = "encoder"


def bare_encoder(recipe: CaptionRecipe) -> nn.Module:
    """Return the encoder of a recipe with weights drawn from torch's generator.

    Raises:
        RecipeError: The network has no part that makes maps of a picture, or cannot be built.
    """
    return _trunk(recipe, _network(recipe))


def ready_encoder(recipe: CaptionRecipe) -> nn.Module:
    """Return the encoder of a recipe with the weights that it gives, in evaluation mode; else drawn by the seed.

    Raises:
        RecipeError: The network has no part that makes maps of a picture, cannot be built, or weights are for another.
        WeightsError: They are missing, damaged, or do not fit.
    """
    card = _card(recipe)
    check_options_of_weights(recipe.encoder, card, place=PLACE)
    with torch.random.fork_rng():
        torch.manual_seed(derive(recipe.train.seed, PLACE))
        network = _network(recipe)
    load_weights_of(recipe.encoder, card, network, place=PLACE)
    return _trunk(recipe, network).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def region_shape(recipe: CaptionRecipe, encoder: nn.Module) -> tuple[int, int, int]:
    """Return how many numbers a region has, and how many regions stand above and beside each other.

    Raises:
        RecipeError: More regions are asked for than the maps have places.
    """
    size, grid = recipe.encoder.size, recipe.encoder.grid
    with torch.inference_mode():
        _, features, height, width = encoder(torch.zeros(1, 3, size, size)).shape
    if grid is None:
        return features, height, width
    if grid > min(height, width):
        raise RecipeError(
            "encoder.grid asks for more regions than there are",
            expected=f"at most {min(height, width)}, the places of the last maps for pictures of {size}x{size}",
            got=grid,
            remedy="larger pictures have more: --encoder.size",
        )
    return features, grid, grid


def encoder_normalization(recipe: CaptionRecipe, pictures: Files, train: torch.Tensor) -> Normalization:
    """Return the mean and deviation of the encoder's card, or else those of the training pictures.

    Args:
        recipe: Which encoder.
        pictures: All of them.
        train: Indices of the training part.
    """
    card = _card(recipe)
    return normalization_of(card) if "images" in card else Normalization.measure(pictures, train, "channel")


def _card(recipe: CaptionRecipe) -> Mapping[str, Any]:
    name = recipe.encoder.name
    card = MODELS.entry(name).card
    if "maps" not in card:
        able = [model for model in MODELS if "maps" in MODELS.entry(model).card]
        raise RecipeError(
            f"{PLACE}.name: {name} has no part that makes maps of a picture", expected=f"one of {', '.join(able)}"
        )
    return card


def _network(recipe: CaptionRecipe) -> nn.Module:
    part = recipe.encoder
    _card(recipe)
    build, chosen = MODELS.resolve(part.name), options(TABLES[PLACE], part, PLACE)
    network: nn.Module = build((3, part.size, part.size), part.classes, **chosen)
    return network


def _trunk(recipe: CaptionRecipe, network: nn.Module) -> nn.Module:
    return network.get_submodule(_card(recipe)["maps"])
