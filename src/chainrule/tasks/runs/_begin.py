"""Beginning a run: everything is checked, then its folder is made, with the checkpoint of step 0."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from chainrule.core.errors import RecipeError
from chainrule.core.folder import RunFolder
from chainrule.core.recipe import Recipe
from chainrule.core.sections import OWN
from chainrule.core.store import write_file
from chainrule.runtime.blocks import blocks
from chainrule.runtime.environment import set_threads
from chainrule.runtime.precision import PRECISIONS
from chainrule.tasks.job._given_run import given_run
from chainrule.tasks.job._job import Job, Network, job_type
from chainrule.tasks.job._parameter_groups import check_patterns
from chainrule.tasks.runs._info import new_info
from chainrule.tasks.runs._save import save_run
from chainrule.tasks.runs._training_logs import TrainingLogs
from chainrule.tasks.tables import check_options
from chainrule.training.events import require_tensorboard
from chainrule.training.loop import start

AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


@dataclass(frozen=True)
class OwnNetwork:
    """A network that a person handed over: what builds it, and what is written down about it.

    Args:
        build: `(**options) -> module`.
        facts: File, name and hash; with them a resumed run is known to use the same source.
        source: Text of the file, copied into the run.
    """

    build: Network
    facts: Mapping[str, Any] = field(default_factory=dict)
    source: bytes | None = None


def begin_run(
    recipe: Recipe,
    out: Path,
    *,
    name: str,
    command: str | None = None,
    own: OwnNetwork | None = None,
    data: Any = None,
) -> Job:
    """Check everything, then make the run folder with its checkpoint of step 0, ready for `continue_run`.

    Nothing is made when the recipe, the data or the network is not valid.

    Returns:
        The recipe with its data at hand, for `continue_run`.
    """
    check_options(recipe)
    if recipe.train.tensorboard:
        require_tensorboard()
    job = job_type(recipe).begun(recipe, network=own.build if own else None, data=data)
    set_threads(recipe.train.threads)
    begun = time.perf_counter()
    task = job.task()
    for part in task.examples:
        job.examples(part)  # what is wrong with the data is found before anything is made
    precision = replace(PRECISIONS[recipe.train.precision], whole=None)  # numbers are widened where they are trained
    state = start(task, recipe.train.seed, precision=precision)
    seconds = time.perf_counter() - begun
    check_patterns(recipe, state.model)
    if recipe.train.recompute and not any(blocks(state.model)):
        raise RecipeError(
            "train.recompute: the network has no blocks that could be computed anew",
            remedy="--train.recompute false; --train.parts needs less memory for any network",
        )
    job.try_out(state.model)
    folder, parent = RunFolder(out), given_run(recipe)
    info = new_info(
        "recipe" if recipe.model.name != OWN and data is None else "module",
        name,
        command=command or f"chainrule train {shlex.quote(name)}",
        parameters=sum(parameter.numel() for parameter in state.model.parameters()),
        parent=None if parent is None else str(parent.path),
    )
    folder.create(
        {
            **info,
            "task": recipe.task,
            "seconds": round(seconds, 3),
            **({"program": dict(own.facts)} if own and own.facts else {}),
        }
    )
    write_file(folder.recipe, recipe.to_yaml().encode())
    if own and own.source is not None:
        write_file(folder.path / "program.py", own.source)
    folder.write_json(folder.processing, job.processing())
    job.write_data_facts(folder)
    if job.chosen:
        folder.write_json(folder.facts / "chosen.json", job.chosen)
    with TrainingLogs(folder) as logs:
        save_run(folder, state, logs, job, info["id"])
    return job


def with_seed(recipe: AnyRecipe, seed: int) -> AnyRecipe:
    """The same recipe with another seed, for weights and order; for the split too, where it has no seed of its own."""
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})
