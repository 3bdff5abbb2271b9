"""What a recipe's training does in a step, and how its network answers and is measured."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.recipe import Recipe
from chainrule.data import Batch, Mixed
from chainrule.losses import LOSSES, penalty
from chainrule.metrics import Mean, Tally, shares_right
from chainrule.models import Heads
from chainrule.optim import OPTIMIZERS, SCHEDULES, At, Group, clip_gradients, ema_decay, is_weight
from chainrule.tasks.tables import TABLES, options
from chainrule.training.objective import Separable
from chainrule.training.task import Average, Carry, Phase


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


class Measure:
    """`(model, batch) -> tallies` of the loss and the accuracy."""

    def __init__(self, recipe: Recipe) -> None:
        self.loss, self.scores = per_example_loss(recipe), answer(recipe)

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tally]:
        scores = self.scores(model, batch.inputs)
        return {
            "loss": Mean.of(self.loss(scores, batch.targets)),
            **shares_right(scores, batch.targets),
        }


def answer(recipe: Recipe) -> Callable[[nn.Module, Tensor], Tensor]:
    """Return `(network in evaluation mode, inputs) -> scores (N, K)`, with the recipe's test-time augmentation."""
    return _mirrored_scores if recipe.predict.flip else _scores


def _scores(model: nn.Module, inputs: Tensor) -> Tensor:
    scores: Tensor = model(inputs)
    return scores


def _mirrored_scores(model: nn.Module, inputs: Tensor) -> Tensor:
    scores: Tensor = (model(inputs) + model(inputs.flip(3))) / 2
    return scores


def class_probabilities(recipe: Recipe) -> Callable[[nn.Module, Tensor], Tensor]:
    """Return `(network in evaluation mode, inputs) -> softmax of the scores (N, K)`."""
    scores = answer(recipe)
    return lambda model, inputs: torch.softmax(scores(model, inputs).float(), dim=1)


def phase(recipe: Recipe) -> Phase:
    """Return the one phase of a classification's steps: objective, optimizer, rates, clipping, averages."""
    optimizer = OPTIMIZERS.resolve(recipe.optim.name)
    chosen = options(TABLES["optim"], recipe.optim, "optim")
    base = chosen.pop("lr", None)
    if base is None:
        base = inspect.signature(optimizer).parameters["lr"].default
    decay = chosen.pop("weight_decay", None)
    schedule = SCHEDULES.resolve(recipe.schedule.name)
    shape = options(TABLES["schedule"], recipe.schedule, "schedule")

    def rate(at: At) -> float:
        return base * schedule(at.step, at.steps, **shape)

    moves, penalized = _moves(recipe), _penalized(recipe)
    groups = [
        Group(
            select=lambda name, parameter: moves(name) and penalized(name, parameter),
            rate=rate,
            options={} if decay is None else {"weight_decay": decay},
        ),
        Group(
            select=lambda name, parameter: moves(name),
            rate=rate,
            options={} if decay is None else {"weight_decay": 0.0},
        ),
    ]
    train = recipe.train
    return Phase(
        name="learn",
        objective=_objective(recipe),
        optimizer=lambda params: optimizer(params, lr=base, **chosen),
        groups=groups,
        clip=lambda parameters: clip_gradients(parameters, norm=train.clip_norm, value=train.clip_value),
        averages=() if train.ema is None else (Average("ema", decay=_ema(train.ema)),),
    )


def _moves(recipe: Recipe) -> Callable[[str], bool]:
    """Whether a parameter of this name is trained."""
    return lambda name: not any(fnmatchcase(name, pattern) for pattern in recipe.train.freeze)


def _penalized(recipe: Recipe) -> Callable[[str, Tensor], bool]:
    """What penalties and weight decay apply to."""
    return is_weight if recipe.penalty.on == "weights" else lambda name, parameter: True


def _ema(decay: float) -> Callable[[At], float]:
    return lambda at: ema_decay(at.step, decay)


def _objective(recipe: Recipe) -> Separable:
    loss = per_example_loss(recipe)
    weights = recipe.penalty
    has_penalty, applies = weights.l2 > 0 or weights.l1 > 0, _penalized(recipe)

    def values(model: nn.Module, batch: Batch, at: At, carry: Carry) -> tuple[dict[str, Tensor], Carry]:
        given = model(batch.inputs)
        scores = given.scores if isinstance(given, Heads) else given
        plain = batch.targets.first if isinstance(batch.targets, Mixed) else batch.targets
        losses = loss(scores, batch.targets)
        if isinstance(given, Heads):
            losses = losses + given.weight * loss(given.auxiliary, batch.targets)
        found = {"loss": losses, "accuracy": (scores.detach().argmax(1) == plain).float()}
        if has_penalty:
            penalized = [p for name, p in model.named_parameters() if applies(name, p)]
            found["penalty"] = penalty(penalized, l2=weights.l2, l1=weights.l1).reshape(1)
        return found, carry

    def count(batch: Batch) -> dict[str, float]:
        number = float(len(batch.index))
        return {"loss": number, "accuracy": number, **({"penalty": 1.0} if has_penalty else {})}

    terms = {"loss": lambda at: 1.0, **({"penalty": lambda at: 1.0} if has_penalty else {})}
    return Separable(values=values, count=count, weight=terms)
