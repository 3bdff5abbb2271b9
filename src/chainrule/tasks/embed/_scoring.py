"""How the scores of pairs of words are learned and measured."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chainrule.core.recipe import EmbedRecipe
from chainrule.data import Batch
from chainrule.metrics import Mean, Tally
from chainrule.tasks.job._scoring import mean_objective, per_example_loss
from chainrule.training.objective import Separable


def pair_objective(recipe: EmbedRecipe) -> Separable:
    """Return the mean loss over the pairs, and the penalty.

    With the loss `binary_cross_entropy` it is that of negative sampling: the right candidate is asked for against each
    drawn one apart; with `softmax` they compete.

    Source:
        LECTURES G5.
    """
    loss = per_example_loss(recipe)

    def scored(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        scores = model(batch.inputs)
        return loss(scores, batch.targets), ahead(scores.detach())

    return mean_objective(recipe, scored, lambda batch: len(batch.targets))


class Measure:
    """`(model, batch) -> tallies` of the loss, and of the share of pairs whose right candidate is ahead of all drawn.

    Args:
        recipe: Which loss.
    """

    def __init__(self, recipe: EmbedRecipe) -> None:
        self.loss = per_example_loss(recipe)

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tally]:
        scores = model(batch.inputs)
        return {"loss": Mean.of(self.loss(scores, batch.targets)), "accuracy": Mean.of(ahead(scores))}


def ahead(scores: Tensor) -> Tensor:
    """1 where the first candidate scores higher than all others, else 0: (P, K) -> (P,)."""
    others = scores[:, 1:].amax(1) if scores.shape[1] > 1 else torch.full_like(scores[:, 0], -torch.inf)
    return (scores[:, 0] > others).float()
