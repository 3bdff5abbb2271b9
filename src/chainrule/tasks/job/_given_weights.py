"""Recipes that begin with given weights: loading them, and the options that they ask for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from chainrule.core.errors import RecipeError, WeightsError
from chainrule.core.recipe import Recipe
from chainrule.core.sections import CARD, Model
from chainrule.data import Normalization
from chainrule.models import MODELS, load_published, weights_card, weights_file
from chainrule.tasks._model_card import card_of


def check_options_of_weights(part: Model, card: Mapping[str, Any], *, place: str) -> None:
    """Refuse published weights of a network with other options.

    Args:
        part: Which network, and which weights.
        card: Of the network.
        place: Where it stands in the recipe.

    Raises:
        RecipeError: Which option.
    """
    entry = None if part.weights is None else weights_card(card, part.weights)
    for key, wanted in (entry or {}).get("options", {}).items():
        found = part.options.get(key, inspect.signature(MODELS.resolve(part.name)).parameters[key].default)
        if found != wanted:
            raise RecipeError(
                f"the weights {part.weights} are those of another {part.name}",
                expected=f"{place}.{key}: {wanted}",
                got=found,
                remedy=f"--{place}.{key} {wanted}",
            )


def normalization_of(card: Mapping[str, Any]) -> Normalization:
    """Return the mean and deviation that a card says."""
    images = card["images"]
    mean, deviation = (torch.tensor(images[key], dtype=torch.float64)[:, None, None] for key in ("mean", "deviation"))
    return Normalization(CARD, mean, deviation)


def load_given_weights(recipe: Recipe, model: nn.Module) -> None:
    """Load the weights that a recipe gives into its network, all or nothing.

    Raises:
        WeightsError: The file is missing or damaged, or does not fit; the names are listed.
    """
    load_weights_of(recipe.model, card_of(recipe), model, place="model")


def load_weights_of(part: Model, card: Mapping[str, Any], model: nn.Module, *, place: str) -> None:
    """Load the weights that a part of a recipe gives into its network, all or nothing.

    Args:
        part: Which weights, if any.
        card: Of the network.
        model: The network.
        place: Where the part stands in the recipe.

    Raises:
        WeightsError: The file is missing or damaged, or does not fit; the names are listed.
    """
    if part.weights is None:
        return
    try:
        load_published(model, weights_file(card, part.weights), key=part.weights_key)
    except WeightsError as error:  # a recipe says the key in its own way
        remedy = error.remedy and error.remedy.replace("key=", f"--{place}.weights_key ")
        raise WeightsError(error.what, expected=error.expected, got=error.got, remedy=remedy) from error
