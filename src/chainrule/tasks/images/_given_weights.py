"""Recipes of images that begin with given weights: what does not go with them."""

from __future__ import annotations

from chainrule.core.errors import RecipeError
from chainrule.core.paths import shown
from chainrule.core.recipe import ImageRecipe
from chainrule.core.sections import CARD
from chainrule.data import LabeledImages, Normalization
from chainrule.models import MODELS, weights_card
from chainrule.optim.solvers import SOLVERS
from chainrule.tasks._model_card import card_of
from chainrule.tasks.job._given_weights import check_options_of_weights, normalization_of


def check_pretrained(recipe: ImageRecipe) -> None:
    """Refuse what does not go together with given weights, and `normalize: card` where no card has it.

    Raises:
        RecipeError: Which key, and what to do.
    """
    if recipe.data.normalize == CARD:
        _check_card(recipe)
    weights, name = recipe.model.weights, recipe.model.name
    if weights is None:
        return
    what = remedy = None
    if recipe.optim.name in SOLVERS:
        what = f"{recipe.optim.name} finds the weights by itself, model.weights are none to begin with"
        remedy = "leave model.weights out, or train in steps with --optim.name adam"
    elif card_of(recipe).get("fitted"):
        what, remedy = f"model.weights: {name} has none to load, its training set is the model", "leave it out"
    elif recipe.init.scheme != "own" or recipe.init.first == "whiten":
        what, remedy = "init draws weights that model.weights would replace", "leave one of them out"
    if what is not None:
        raise RecipeError(what, remedy=remedy)
    check_options_of_weights(recipe.model, card_of(recipe), place="model")


def _check_card(recipe: ImageRecipe) -> None:
    """Refuse `normalize: card` where the network's card has no images, or where it is given none."""
    if "images" not in card_of(recipe):
        known = [model for model in MODELS if "images" in MODELS.entry(model).card]
        raise RecipeError(
            f"data.normalize: the card of {recipe.model.name} has no mean and deviation",
            expected=f"channel, pixel or none, or a model such as {', '.join(known)}",
            got=CARD,
        )
    if recipe.data.features:
        raise RecipeError(
            "data.normalize: a card's mean and deviation are those of images, not of features",
            expected="channel or none beside data.features",
            got=CARD,
        )


def check_images(recipe: ImageRecipe, images: LabeledImages) -> None:
    """Refuse images that published weights, or the mean and deviation of a card, are not for.

    Raises:
        RecipeError: Another number of channels.
    """
    weights, card = recipe.model.weights, card_of(recipe)
    if recipe.data.normalize != CARD and (weights is None or weights_card(card, weights) is None):
        return
    count = len(card["images"]["mean"])
    if images.shape[0] != count:
        who = f"weights {shown(weights)} take" if weights else f"card of {recipe.model.name} asks for"
        raise RecipeError(
            f"the {who} color images",
            expected=f"{count} channels",
            got=f"{images.shape[0]} in {images.name}",
            remedy=f"a folder of pictures has them with --data.channels {count}; "
            "weights of your own that are for other images go with --data.normalize channel",
        )


def card_normalization(recipe: ImageRecipe) -> Normalization:
    """Return the normalization of a model's card."""
    return normalization_of(card_of(recipe))
