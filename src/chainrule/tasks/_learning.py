"""What a recipe's training does in a step, whatever its task: optimizer, rates, penalty, clipping, averages."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from chainrule.core.errors import RecipeError, unknown
from chainrule.core.recipe import Recipe
from chainrule.core.sections import Named, Train
from chainrule.losses import penalty
from chainrule.optim import OPTIMIZERS, SCHEDULES, At, Group, clip_gradients, ema_decay, is_weight
from chainrule.tasks.tables import TABLES, accepted_options, options
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

    def rate(at: At) -> float:
        return base * schedule(at.step, at.steps, **shape)

    moves, penalized = _moves(recipe), _penalized(recipe)

    def pair(fits: Callable[[str], bool], own: Mapping[str, Any]) -> list[Group]:
        """What weight decay applies to, and what it does not, of the parameters that fit."""
        other = dict(own)
        ratio, decays = other.pop("lr", base) / base if base else 1.0, other.pop("weight_decay", decay)
        return [
            Group(
                select=select,
                rate=lambda at: ratio * rate(at),
                options=other if decays is None else {**other, "weight_decay": share * decays},
            )
            for select, share in (
                (lambda name, parameter: fits(name) and moves(name) and penalized(name, parameter), 1.0),
                (lambda name, parameter: fits(name) and moves(name), 0.0),
            )
        ]

    apart = [
        pair(partial(fnmatchcase, pat=pattern), options(TABLES["optim"], Named(name=recipe.optim.name, **own), "optim"))
        for pattern, own in recipe.optim.apart()
    ]
    groups = [group for one in (*apart, pair(lambda name: True, {})) for group in one]
    train = recipe.train
    return Phase(
        name="learn",
        objective=objective,
        optimizer=lambda params: _made(optimizer(params, lr=base, **chosen), recipe),
        groups=groups,
        clip=lambda parameters: clip_gradients(parameters, norm=train.clip_norm, value=train.clip_value),
        averages=() if train.ema is None else (Average("ema", decay=_ema(train.ema)),),
    )


def _made(optimizer: Optimizer, recipe: Recipe) -> Optimizer:
    """The optimizer, if its groups can have the options that they are given."""
    name = recipe.optim.name
    for pattern, own in recipe.optim.apart():
        if missing := [key for key in own if key not in optimizer.defaults]:
            raise RecipeError(
                f"optim.groups {pattern}: {name} has one {missing[0]} for all parameters",
                expected=", ".join(sorted({*optimizer.defaults} & {*accepted_options(OPTIMIZERS.resolve(name))})),
            )
    return optimizer


def check_patterns(recipe: Recipe, model: nn.Module) -> None:
    """Check that what a recipe says of some parameters is said of at least one.

    Args:
        recipe: Whose `train.freeze` and `optim.groups` are looked at.
        model: The network.

    Raises:
        RecipeError: A pattern fits no name of a parameter.
    """
    names = [name for name, _ in model.named_parameters()]
    said = [("train.freeze", pattern) for pattern in recipe.train.freeze]
    said += [("optim.groups", pattern) for pattern, _ in recipe.optim.apart()]
    for place, pattern in said:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise RecipeError(
                f'{place}: no parameter has a name like "{pattern}"',
                expected=f"one of {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}",
                remedy=unknown("parameter", pattern.strip("*"), names),
            )


def steps_in_all(train: Train, per_epoch: int) -> int:
    """Return how many steps a training takes: as many as it says, or those of its epochs.

    Example:
        >>> from chainrule.core.sections import Train
        >>> steps_in_all(Train(epochs=2.5), 10), steps_in_all(Train(steps=7), 10)
        (25, 7)
    """
    return train.steps if train.steps is not None else max(1, round(float(train.epochs or 0) * per_epoch))


def _moves(recipe: Recipe) -> Callable[[str], bool]:
    """Whether a parameter of this name is trained."""
    return lambda name: not any(fnmatchcase(name, pattern) for pattern in recipe.train.freeze)


def _penalized(recipe: Recipe) -> Callable[[str, Tensor], bool]:
    """What penalties and weight decay apply to."""
    return is_weight if recipe.penalty.on == "weights" else lambda name, parameter: True


def _ema(decay: float) -> Callable[[At], float]:
    return lambda at: ema_decay(at.step, decay)


class Penalized:
    """R(W) of a recipe as a term of the objective: nothing, where it has no weight.

    Source:
        LECTURES A6.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.l2, self.l1, self.applies = recipe.penalty.l2, recipe.penalty.l1, _penalized(recipe)
        self.there = self.l2 > 0 or self.l1 > 0

    def __call__(self, model: nn.Module) -> dict[str, Tensor]:
        """Return its value."""
        if not self.there:
            return {}
        penalized = [p for name, p in model.named_parameters() if self.applies(name, p)]
        return {"penalty": penalty(penalized, l2=self.l2, l1=self.l1).reshape(1)}

    def count(self) -> dict[str, float]:
        """Return how often it counts in a part."""
        return {"penalty": 1.0} if self.there else {}

    def weight(self) -> dict[str, Callable[[At], float]]:
        """Return its weight."""
        return {"penalty": lambda at: 1.0} if self.there else {}
