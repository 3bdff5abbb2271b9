"""Linear classifiers that a solver brings to the minimum of the recipe's objective, in place of steps."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from chainrule.core.errors import RecipeError
from chainrule.core.recipe import ImageRecipe
from chainrule.optim.solvers import SOLVERS
from chainrule.runtime.rng import derive
from chainrule.tasks.tables import TABLES, all_options, options
from chainrule.training.task import Task

LOSSES: dict[tuple[str, tuple[tuple[str, Any], ...]], str] = {
    ("softmax", (("smoothing", 0.0),)): "softmax",
    ("svm", (("margin", 1.0), ("power", 1))): "hinge",
    ("svm", (("margin", 1.0), ("power", 2))): "squared_hinge",
}
"""A recipe's loss with all its options -> what solvers call it."""
WRITTEN = {"softmax": "softmax", "hinge": "svm", "squared_hinge": "svm with --loss.power 2"}
"""What solvers call a loss -> how a recipe asks for it."""


def is_solved(recipe: ImageRecipe) -> bool:
    """Whether the recipe names a solver in place of an optimizer."""
    return recipe.optim.name in SOLVERS


def check_solvable(recipe: ImageRecipe) -> None:
    """Check that a recipe asks for nothing that a solver cannot give: a loss, a penalty, or changes along the way.

    Raises:
        RecipeError: It does; what, and what can be had.
    """
    name, train = recipe.optim.name, recipe.train
    if train.steps != 0:
        raise RecipeError(
            f"{name} takes the training set at once, without steps",
            expected="train.steps: 0",
            got=f"train.epochs: {train.epochs:g}" if train.epochs else f"train.steps: {train.steps}",
            remedy="--train.steps 0",
        )
    _check_loss(recipe)
    refused = {
        "penalty.l1": recipe.penalty.l1,
        "train.freeze": train.freeze,
        "optim.groups": [group.of for group in recipe.optim.groups],
        "train.ema": train.ema,
        **{f"augment.{key}": value for key, value in recipe.augment.model_dump().items()},
    }
    for key, value in refused.items():
        if value:
            without = "null" if key == "train.ema" else "[]" if isinstance(value, list) else 0
            raise RecipeError(
                f"{name} minimizes mean loss + l2 * sum W^2 over the training images as they are",
                expected=f"{key}: {without}",
                got=value,
                remedy=f"--{key} {without}, or train in steps with --optim.name adam",
            )


def _check_loss(recipe: ImageRecipe) -> str:
    """The solver's word for the recipe's loss."""
    chosen = tuple(sorted(all_options(TABLES["loss"], recipe.loss, "loss").items()))
    known = SOLVERS.entry(recipe.optim.name).card["losses"]
    found = LOSSES.get((recipe.loss.name, chosen))
    if found is None or found not in known:
        said = ", ".join(f"{key} {value}" for key, value in chosen)
        others = [name for name in SOLVERS if found in SOLVERS.entry(name).card["losses"]]
        raise RecipeError(
            f"{recipe.optim.name} does not know this loss",
            expected=" or ".join(WRITTEN[name] for name in known),
            got=f"{recipe.loss.name} ({said})" if said else recipe.loss.name,
            remedy=f"--optim.name {others[0]} does"
            if others
            else "choose another --loss.name, or another --optim.name",
        )
    return found


def linear_layer(model: nn.Module, solver: str) -> nn.Linear:
    """Return the one layer of a linear classifier.

    Args:
        model: Scores = W x + b of the flattened input, and nothing else.
        solver: Who asks, for the message.

    Raises:
        RecipeError: It is another network.

    Example:
        >>> linear_layer(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), "newton_cg")
        Linear(in_features=4, out_features=2, bias=True)
    """
    layers = [part for part in model.modules() if not isinstance(part, nn.Sequential | nn.Flatten | nn.Identity)]
    if len(layers) != 1 or type(layers[0]) is not nn.Linear or layers[0].bias is None:
        kinds = list(dict.fromkeys(type(part).__name__ for part in layers))
        raise RecipeError(
            f"{solver} solves linear classifiers, W x + b",
            expected="a network of one fully connected layer with biases",
            got=", ".join(kinds[:6]) or "no layer",
            remedy="--model.name linear, or train in steps with --optim.name adam",
        )
    return layers[0]


def solve(recipe: ImageRecipe, model: nn.Module, task: Task) -> dict[str, Any]:
    """Give a linear classifier the weights that minimize the recipe's objective over its training part.

    The objective is that of steps: mean loss + l2 * sum W^2, with the biases in the sum if `penalty.on` is `all`.

    Returns:
        Why the solver stopped, the objective, its largest slope and the iterations, as plain data.

    Raises:
        RecipeError: The network is not linear.
        UsageError: An option of the solver is out of range.

    Source:
        LECTURES A4-A6, B8.
    """
    layer, name = linear_layer(model, recipe.optim.name), recipe.optim.name
    train = task.examples["train"]
    index = torch.arange(len(train))
    batch = train.fetch(index, index)
    found = SOLVERS.resolve(name)(
        batch.inputs.flatten(1),
        batch.targets,
        classes=layer.out_features,
        loss=_check_loss(recipe),
        l2=recipe.penalty.l2,
        penalize_bias=recipe.penalty.on == "all",
        generator=torch.Generator().manual_seed(derive(recipe.train.seed, "solver")),
        **options(TABLES["optim"], recipe.optim, "optim"),
    )
    with torch.no_grad():
        layer.weight.copy_(found.weights)
        layer.bias.copy_(found.bias)
    last = found.record[-1]
    return {
        "solver": name,
        "reason": found.reason,
        "iterations": len(found.record) - 1,
        "objective": found.objective,
        **({"gradient": last.gradient} if math.isfinite(last.gradient) else {}),
    }
