"""How the scores of pairs of words are learned and measured."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chainrule.core.recipe import EmbedRecipe
from chainrule.data import Batch
from chainrule.metrics import Mean, Tally
from chainrule.optim import At
from chainrule.tasks._learning import Penalized
from chainrule.tasks._scoring import per_example_loss
from chainrule.training.objective import Separable
from chainrule.training.task import Carry


def pair_objective(recipe: EmbedRecipe) -> Separable:
    """Return the mean loss over the pairs, and the penalty.

    With the loss `binary_cross_entropy` it is that of negative sampling: the right candidate is asked for against each
    drawn one apart; with `softmax` they compete.

    Source:
        LECTURES G5.
    """
    loss, penalized = per_example_loss(recipe), Penalized(recipe)

    def values(model: nn.Module, batch: Batch, at: At, carry: Carry) -> tuple[dict[str, Tensor], Carry]:
        scores = model(batch.inputs)
        found = {"loss": loss(scores, batch.targets), "accuracy": ahead(scores.detach())}
        return {**found, **penalized(model)}, carry

    def count(batch: Batch) -> dict[str, float]:
        number = float(len(batch.targets))
        return {"loss": number, "accuracy": number, **penalized.count()}

    return Separable(values=values, count=count, weight={"loss": lambda at: 1.0, **penalized.weight()})


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
