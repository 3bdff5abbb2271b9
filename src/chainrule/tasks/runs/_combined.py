"""Which networks of a run answer together, and how their answers become one."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import CheckpointError, UsageError, unknown
from chainrule.core.recipe import ImageRecipe, Recipe, TextClassesRecipe
from chainrule.models import COMBINATIONS, Ensemble, average_weights, thinned
from chainrule.nn import recalibrate
from chainrule.optim import cycle_ends
from chainrule.runtime.rng import keys
from chainrule.training.checkpoint import checkpoint_weights, step_folder

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run

AVERAGE = "average"
"""The combination that makes one network of several: the mean of their weights."""
WAYS = (*COMBINATIONS, AVERAGE)


@dataclass(frozen=True)
class Together:
    """Several networks of a run that answer as one.

    Args:
        combine: "mean" (of their probabilities), "vote", or "average" (of their weights).
        snapshots: Whether they are the snapshots of one run, and not the members of an ensemble.
        dropout_samples: So many networks that dropout makes of the run's; none when left out.

    Raises:
        UsageError: There is no such combination, or two kinds of members are asked for.
    """

    combine: str = "mean"
    snapshots: bool = False
    dropout_samples: int | None = None

    def __post_init__(self) -> None:
        if self.combine not in WAYS:
            raise UsageError(
                f'there is no combination "{self.combine}"', remedy=unknown("combination", self.combine, WAYS)
            )
        if self.dropout_samples is not None and (self.snapshots or self.combine == AVERAGE):
            expected = "networks that dropout makes of one, with --combine mean or vote"
            raise UsageError("these networks cannot answer together", expected=expected)


def require_classes(recipe: Recipe, what: str) -> None:
    """Refuse a recipe whose networks do not give probabilities of classes.

    Raises:
        UsageError: Which task it is of.
    """
    if not isinstance(recipe, ImageRecipe | TextClassesRecipe):
        raise UsageError(
            f"{what} is for networks that give probabilities of classes",
            expected="a recipe of the task classify or classify-text",
            got=f"the task {recipe.task}",
        )


def members_of(run: Run) -> list[Run]:
    """Return the members of an ensemble.

    Raises:
        CheckpointError: One is missing, or they do not prepare their inputs alike.
    """
    from chainrule.tasks.runs._run import Run

    members = [Run.open(run.path / f"member-{number}") for number in range(1, run.info["count"] + 1)]
    first = members[0].processing
    odd = next((member for member in members if member.processing != first), None)
    if odd is not None:
        raise CheckpointError(
            f"{odd.path} is no member of this ensemble",
            expected=f"inputs prepared as in {members[0].path.name}",
            got="another processing.json",
        )
    return members


def combined_model(run: Run, how: Together, module: nn.Module | None) -> nn.Module:
    """Return networks of a run as one, in evaluation mode.

    Args:
        run: One run, or an ensemble.
        how: Which of its networks, and how they answer.
        module: For a run of one's own network.

    Raises:
        UsageError: It has but one network, no snapshots, or no dropout.
        CheckpointError: There are no weights, or they do not fit.
    """
    require_classes(run.recipe, "--combine")
    is_ensemble = run.info["kind"] == "ensemble"
    if how.dropout_samples is not None:
        if is_ensemble:
            raise UsageError(f"{run.path} is an ensemble already", remedy=f"name one: {run.path}/member-1")
        networks = thinned(run.model(module), how.dropout_samples, seed=run.recipe.train.seed)
        return Ensemble(networks, COMBINATIONS[how.combine]).eval()
    if how.snapshots:
        if is_ensemble:
            raise UsageError(f"{run.path} is an ensemble, not one run", remedy=f"name one: {run.path}/member-1")
        owners, weights = [run] * run.recipe.train.snapshots, list(_snapshots(run))
    elif is_ensemble:
        owners = members_of(run)
        weights = [member.weights() for member in owners]
    else:
        remedy = (
            "--snapshots or --dropout-samples N make several of it; `chainrule train RECIPE --ensemble N` trains some"
        )
        raise UsageError(f"{run.path} has one network: there is nothing to combine", remedy=remedy)
    if how.combine == AVERAGE:
        return _averaged(run, owners[0], weights, module)
    built = [_loaded(owner, one, module) for owner, one in zip(owners, weights)]
    return Ensemble(built, COMBINATIONS[how.combine]).eval()


def _loaded(owner: Run, weights: Mapping[str, Tensor], module: nn.Module | None) -> nn.Module:
    return owner.network(weights, None if module is None else copy.deepcopy(module))


def _snapshots(run: Run) -> Iterator[dict[str, Tensor]]:
    """The weights at the end of each cycle."""
    count = run.recipe.train.snapshots
    if not count:
        raise UsageError(
            f"{run.path} kept no snapshots",
            expected="a run with train.snapshots",
            remedy="--schedule.name cyclic --schedule.cycles 5 --train.snapshots 5 makes some",
        )
    steps = (run.result or {}).get("steps")
    if steps is None:
        raise CheckpointError(f"{run.path} is not finished", remedy=f"chainrule resume {run.path}")
    for step in cycle_ends(run.job().steps(), count):
        path = step_folder(run.folder.checkpoints, step)
        if not path.is_dir():
            raise CheckpointError(f"the snapshot of step {step} of {run.path} is missing", expected=str(path))
        kind = "model" if run.recipe.train.ema is None else "ema"
        yield checkpoint_weights(path, kind, run=run.info.get("id"))


def _averaged(run: Run, owner: Run, weights: list[dict[str, Tensor]], module: nn.Module | None) -> nn.Module:
    """One network of the mean weights, its statistics of batch normalization measured on the training part."""
    network = _loaded(owner, average_weights(weights), module)
    if any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules()):
        recalibrate(network, _training_inputs(run))
    return network


def _training_inputs(run: Run) -> Iterator[Any]:
    """The inputs of the training part, as the first epoch has them."""
    examples, train = run.job().examples("train"), run.recipe.train
    for index in torch.arange(len(examples)).split(train.evaluate_batch):
        yield examples.fetch(index, keys(train.seed, 0, index, "example")).inputs
