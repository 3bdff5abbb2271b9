"""Saving a run: its logs, then a checkpoint that says how long they are."""

from __future__ import annotations

import torch

from chainrule.core.folder import RunFolder
from chainrule.runtime.world import Alone, World
from chainrule.tasks.job._job import Job
from chainrule.tasks.runs._plan import snapshots_of
from chainrule.tasks.runs._training_logs import TrainingLogs
from chainrule.training.checkpoint import (
    prune,
    save_checkpoint,
)
from chainrule.training.rules import (
    best_step,
)
from chainrule.training.task import TrainState


def save_run(
    folder: RunFolder,
    state: TrainState,
    logs: TrainingLogs,
    job: Job,
    run: str | None,
    world: World | None = None,
) -> None:
    """The logs first, then the checkpoint that says how long they are, then the old ones go."""
    world = world or Alone()
    facts = {
        **logs.sync(state.step),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "processes": world.size,
        "shard": world.shard,
    }
    save_checkpoint(folder.checkpoints, state, facts, run=run, world=world)
    best = best_step(state.history, job.recipe.train.monitor)
    if world.rank == 0:
        protected = {state.step} | snapshots_of(job) | ({best} if best is not None else set())
        prune(folder.checkpoints, keep=job.recipe.train.keep, protected=protected)
