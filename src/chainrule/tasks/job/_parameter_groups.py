"""Which parameters a recipe's optimizer takes with which options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from chainrule.core.errors import RecipeError, unknown
from chainrule.core.recipe import Recipe
from chainrule.core.sections import Named
from chainrule.optim import OPTIMIZERS, At, Group, is_weight
from chainrule.tasks.tables import TABLES, accepted_options, options


def groups_of(recipe: Recipe, schedule: Callable[[At], float], *, lr: float, weight_decay: float | None) -> list[Group]:
    """Return the groups of the recipe's optimizer, those without options of their own first.

    Args:
        recipe: What is frozen, what is penalized, what stands apart.
        schedule: By what rates are multiplied at a place.
        lr: Of those without one of their own.
        weight_decay: Likewise; None where the optimizer has its own.
    """
    frozen, groups = recipe.train.freeze, recipe.optim.groups
    names = [group.of for group in groups]
    found = _pair(recipe, lambda name: not _fits(name, [*frozen, *names]), schedule, lr, weight_decay, {})
    for group in groups:
        own = options(TABLES["optim"], Named(name=recipe.optim.name, **group.options), f"optim.groups {group.of}")
        own_lr, own_decay = own.pop("lr", lr), own.pop("weight_decay", weight_decay)
        moves = partial(_moves, pattern=group.of, frozen=frozen)
        found += _pair(recipe, moves, schedule, own_lr, own_decay, own)
    return found


def _pair(
    recipe: Recipe,
    moves: Callable[[str], bool],
    schedule: Callable[[At], float],
    lr: float,
    weight_decay: float | None,
    own: Mapping[str, Any],
) -> list[Group]:
    """Of parameters whose names say that they are meant: what weight decay applies to, and what it does not."""
    applies = penalized(recipe)

    def group(select: Callable[[str, Tensor], bool], share: float) -> Group:
        decay = {} if weight_decay is None else {"weight_decay": share * weight_decay}
        return Group(select=select, rate=lambda at: lr * schedule(at), options={**own, **decay})

    return [
        group(lambda name, parameter: moves(name) and applies(name, parameter), 1.0),
        group(lambda name, parameter: moves(name), 0.0),
    ]


def penalized(recipe: Recipe) -> Callable[[str, Tensor], bool]:
    """Return what penalties and weight decay apply to."""
    return is_weight if recipe.penalty.on == "weights" else lambda name, parameter: True


def check_groups(optimizer: Optimizer, recipe: Recipe) -> None:
    """Check that an optimizer can have the options of a recipe's groups for some of the parameters.

    Raises:
        RecipeError: One is for all parameters.
    """
    name = recipe.optim.name
    for group in recipe.optim.groups:
        if missing := [key for key in group.options if key not in optimizer.defaults]:
            raise RecipeError(
                f"optim.groups {group.of}: {name} has one {missing[0]} for all parameters",
                expected=", ".join(sorted({*optimizer.defaults} & {*accepted_options(OPTIMIZERS.resolve(name))})),
            )


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
    said += [("optim.groups", group.of) for group in recipe.optim.groups]
    for place, pattern in said:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise RecipeError(
                f'{place}: no parameter has a name like "{pattern}"',
                expected=f"one of {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}",
                remedy=unknown("parameter", pattern.strip("*"), names),
            )


def _fits(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _moves(name: str, *, pattern: str, frozen: list[str]) -> bool:
    return fnmatchcase(name, pattern) and not _fits(name, frozen)
