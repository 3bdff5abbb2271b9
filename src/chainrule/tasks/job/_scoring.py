"""How a classifier's scores are learned and measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from chainrule.core.recipe import Recipe
from chainrule.data import Batch, Mixed
from chainrule.losses import LOSSES
from chainrule.metrics import Mean, Tally, shares_right
from chainrule.models import Heads
from chainrule.optim import At
from chainrule.tasks.job._phase import Penalized
from chainrule.tasks.tables import TABLES, options
from chainrule.training.objective import Separable
from chainrule.training.task import Carry

Scored = Callable[[nn.Module, Batch], tuple[Tensor, Tensor]]
"""`(network, batch) -> (losses, whether they are right)`."""


def per_example_loss(recipe: Recipe) -> Callable[[Tensor, Any], Tensor]:
    """Return `(scores, targets) -> one loss an example`; mixed targets take both classes in their shares."""
    function = LOSSES.resolve(recipe.loss.name)
    chosen = options(TABLES["loss"], recipe.loss, "loss")

    def loss(scores: Tensor, targets: Any) -> Tensor:
        if isinstance(targets, Mixed):
            share = targets.share.to(scores.dtype)
            first, second = (function(scores, part, **chosen) for part in (targets.first, targets.second))
            return share * first + (1 - share) * second
        return function(scores, targets, **chosen)

    return loss


def plain_scores(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return what the network gives."""
    scores: Tensor = model(inputs)
    return scores


class Measure:
    """`(model, batch) -> tallies` of the loss and the accuracy.

    Args:
        loss: `(scores, targets) -> one loss an example`.
        scores: `(network, inputs) -> scores`; the network's own when left out.
    """

    def __init__(
        self, loss: Callable[[Tensor, Any], Tensor], scores: Callable[[nn.Module, Tensor], Tensor] = plain_scores
    ) -> None:
        self.loss, self.scores = loss, scores

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tally]:
        scores = self.scores(model, batch.inputs)
        return {
            "loss": Mean.of(self.loss(scores, batch.targets)),
            **shares_right(scores, batch.targets),
        }


def mean_objective(recipe: Recipe, scored: Scored, counted: Callable[[Batch], int]) -> Separable:
    """Return the mean loss and accuracy over what counts in a batch, and the penalty.

    Args:
        recipe: Which penalty.
        scored: `(network, batch) -> (loss, whether it is right)`, a number each for everything that counts.
        counted: How much that is.
    """
    penalized = Penalized(recipe)

    def values(model: nn.Module, batch: Batch, at: At, carry: Carry) -> tuple[dict[str, Tensor], Carry]:
        losses, right = scored(model, batch)
        return {"loss": losses, "accuracy": right.to(losses.dtype), **penalized(model)}, carry

    def count(batch: Batch) -> dict[str, float]:
        number = float(counted(batch))
        return {"loss": number, "accuracy": number, **penalized.count()}

    return Separable(values=values, count=count, weight={"loss": lambda at: 1.0, **penalized.weight()})


def classification_objective(recipe: Recipe) -> Separable:
    """Return the mean loss over the examples, and the penalty."""
    loss = per_example_loss(recipe)

    def scored(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        given = model(batch.inputs)
        scores = given.scores if isinstance(given, Heads) else given
        plain = batch.targets.first if isinstance(batch.targets, Mixed) else batch.targets
        losses = loss(scores, batch.targets)
        if isinstance(given, Heads):
            losses = losses + given.weight * loss(given.auxiliary, batch.targets)
        return losses, scores.detach().argmax(1) == plain

    return mean_objective(recipe, scored, lambda batch: len(batch.index))
