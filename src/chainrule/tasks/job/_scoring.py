"""How a classifier's scores are learned and measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.recipe import Recipe
from chainrule.data import Batch, Mixed, bootstrap_counts
from chainrule.losses import LOSSES
from chainrule.metrics import Mean, Tally, shares_right
from chainrule.models import Heads, Several
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


Way = Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]
"""`(network, inputs) -> scores`: how a network is asked, such as for an image and its mirror image."""


def plainly(network: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Return what the network gives."""
    return network(inputs)


def all_scores(model: nn.Module, inputs: Tensor, way: Way = plainly) -> tuple[Tensor, Tensor | None]:
    """Return the scores of a network (N, K) and, where several answer, those of each (M, N, K).

    Args:
        model: One network, or one in which several answer.
        inputs: What it is given.
        way: How it, or each of them, is asked.
    """
    if isinstance(model, Several):
        each = way(model.each, inputs)
        return model.combine(each), each
    return way(model, inputs), None


class Measure:
    """`(model, batch) -> tallies` of the loss and the accuracy.

    Args:
        loss: `(scores, targets) -> one loss an example`.
        way: How the network is asked.
    """

    def __init__(self, loss: Callable[[Tensor, Any], Tensor], way: Way = plainly) -> None:
        self.loss, self.way = loss, way

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tally]:
        scores, _ = all_scores(model, batch.inputs, self.way)
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


def heads_objective(recipe: Recipe, heads: int) -> Separable:
    """Return the loss of each head of a shared trunk, each divided by its own count, and the penalty.

    loss = 1/M sum_m loss_m. With `data.bootstrap` head m takes example i as often as `bootstrap_counts` says, a
    function of (seed, m, i), in every epoch alike.

    Args:
        recipe: Which loss, and whether heads draw their examples.
        heads: How many.

    Source:
        LECTURES B14.
    """
    loss, penalized, seed = per_example_loss(recipe), Penalized(recipe), recipe.train.seed
    names = [f"head-{number}" for number in range(1, heads + 1)]
    drawn = bool(getattr(recipe.data, "bootstrap", False))

    def often(batch: Batch, number: int) -> Tensor:
        return bootstrap_counts(batch.index, seed, number) if drawn else torch.ones(len(batch.index))

    def values(model: nn.Module, batch: Batch, at: At, carry: Carry) -> tuple[dict[str, Tensor], Carry]:
        given = model(batch.inputs)
        plain = batch.targets.first if isinstance(batch.targets, Mixed) else batch.targets
        losses = [loss(scores, batch.targets) for scores in given.scores]
        right = [(scores.detach().argmax(1) == plain).to(losses[0].dtype) for scores in given.scores]
        terms = {name: one * often(batch, number) for number, (name, one) in enumerate(zip(names, losses))}
        told = {"loss": torch.stack(losses).detach().mean(0), "accuracy": torch.stack(right).mean(0)}
        return {**terms, **told, **penalized(model)}, carry

    def count(batch: Batch) -> dict[str, float]:
        number = float(len(batch.index))
        terms = {name: float(often(batch, place).sum()) for place, name in enumerate(names)}
        return {**terms, "loss": number, "accuracy": number, **penalized.count()}

    return Separable(
        values=values, count=count, weight={**{name: lambda at: 1 / heads for name in names}, **penalized.weight()}
    )
