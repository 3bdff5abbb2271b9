"""What a recipe's training does in a step, whatever its task: optimizer, rates, penalty, clipping, averages."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from chainrule.core.recipe import Recipe
from chainrule.core.sections import Train
from chainrule.losses import penalty
from chainrule.optim import OPTIMIZERS, SCHEDULES, At, clip_gradients, ema_decay, mean_decay
from chainrule.runtime.laid_out import whole
from chainrule.tasks.job._parameter_groups import check_groups, groups_of, penalized
from chainrule.tasks.tables import TABLES, options
from chainrule.training.task import Average, Objective, Phase


def phase(recipe: Recipe, objective: Objective) -> Phase:
    """Return the one phase of a training's steps: objective, optimizer, rates, clipping, averages."""
    optimizer = OPTIMIZERS.resolve(recipe.optim.name)
    chosen = options(TABLES["optim"], recipe.optim, "optim")
    base = chosen.pop("lr", None)
    if base is None:
        base = inspect.signature(optimizer).parameters["lr"].default
    decay = chosen.pop("weight_decay", None)
    schedule = SCHEDULES.resolve(recipe.schedule.name)
    shape = options(TABLES["schedule"], recipe.schedule, "schedule")

    def of_time(at: At) -> float:
        return schedule(at.step, at.steps, **shape)

    def made(params: list[dict[str, Any]]) -> Optimizer:
        found = optimizer(params, lr=base, **chosen)
        check_groups(found, recipe)
        return found

    train = recipe.train
    return Phase(
        name="learn",
        objective=objective,
        optimizer=made,
        groups=groups_of(recipe, of_time, lr=base, weight_decay=decay),
        clip=lambda parameters: clip_gradients(parameters, norm=train.clip_norm, value=train.clip_value),
        averages=averages_of(train),
    )


def steps_in_all(train: Train, per_epoch: int) -> int:
    """Return how many steps a training takes: as many as it says, or those of its epochs.

    Example:
        >>> from chainrule.core.sections import Train
        >>> steps_in_all(Train(epochs=2.5), 10), steps_in_all(Train(steps=7), 10)
        (25, 7)
    """
    return train.steps if train.steps is not None else max(1, round(float(train.epochs or 0) * per_epoch))


def averages_of(train: Train) -> tuple[Average, ...]:
    """Return the averages of the weights that a training keeps."""
    if train.ema is not None:
        return (Average("ema", decay=_ema(train.ema)),)
    if train.swa is not None:
        return (Average("swa", decay=_swa(train.swa)),)
    return ()


def _swa(share: float) -> Callable[[At], float]:
    """Equal weights: the n-th that is averaged enters with 1 / n. Before that the average is the weights themselves."""
    return lambda at: mean_decay(at.step - int(share * at.steps))


def _ema(decay: float) -> Callable[[At], float]:
    return lambda at: ema_decay(at.step, decay)


class Penalized:
    """R(W) of a recipe as a term of the objective: nothing, where it has no weight.

    Source:
        LECTURES A6.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.l2, self.l1, self.applies = recipe.penalty.l2, recipe.penalty.l1, penalized(recipe)
        self.there = self.l2 > 0 or self.l1 > 0

    def __call__(self, model: nn.Module) -> dict[str, Tensor]:
        """Return its value."""
        if not self.there:
            return {}
        given = [whole(p) for name, p in model.named_parameters() if self.applies(name, p)]
        return {"penalty": penalty(given, l2=self.l2, l1=self.l1).reshape(1)}

    def count(self) -> dict[str, float]:
        """Return how often it counts in a part."""
        return {"penalty": 1.0} if self.there else {}

    def weight(self) -> dict[str, Callable[[At], float]]:
        """Return its weight."""
        return {"penalty": lambda at: 1.0} if self.there else {}
