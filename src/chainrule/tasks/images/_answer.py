"""What a network of images answers: scores with the recipe's test-time augmentation, and probabilities."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from chainrule.core.recipe import ImageRecipe
from chainrule.tasks.job._scoring import plain_scores


def answer(recipe: ImageRecipe) -> Callable[[nn.Module, Tensor], Tensor]:
    """Return `(network in evaluation mode, inputs) -> scores (N, K)`, with the recipe's test-time augmentation."""
    return _mirrored_scores if recipe.predict.flip else plain_scores


def _mirrored_scores(model: nn.Module, inputs: Tensor) -> Tensor:
    scores: Tensor = (model(inputs) + model(inputs.flip(3))) / 2
    return scores


def class_probabilities(recipe: ImageRecipe) -> Callable[[nn.Module, Tensor], Tensor]:
    """Return `(network in evaluation mode, inputs) -> softmax of the scores (N, K)`."""
    scores = answer(recipe)
    return lambda model, inputs: torch.softmax(scores(model, inputs).float(), dim=1)
