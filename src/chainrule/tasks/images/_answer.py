"""What a network of images answers: scores with the recipe's test-time augmentation, and probabilities."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from chainrule.core.recipe import ImageRecipe
from chainrule.tasks.job._scoring import Way, all_scores, plainly


def way_of(recipe: ImageRecipe) -> Way:
    """Return how networks in evaluation mode are asked: with the recipe's test-time augmentation."""
    return _mirrored if recipe.predict.flip else plainly


def _mirrored(network: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    return (network(inputs) + network(inputs.flip(3))) / 2


def class_probabilities(recipe: ImageRecipe) -> Callable[[nn.Module, Tensor], Tensor]:
    """Return `(network in evaluation mode, inputs) -> softmax of the scores (N, K)`."""
    way = way_of(recipe)
    return lambda model, inputs: torch.softmax(all_scores(model, inputs, way)[0].float(), dim=1)
