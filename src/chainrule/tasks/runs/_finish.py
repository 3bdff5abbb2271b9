"""The end of a run: the best weights, the test part, the result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from chainrule.core.errors import CheckpointError
from chainrule.core.folder import RunFolder
from chainrule.core.journal import read_journal
from chainrule.optim import suggest_clip
from chainrule.runtime.weights import write_weights
from chainrule.tasks.job._job import Job
from chainrule.training.checkpoint import (
    checkpoint_weights,
    step_folder,
)
from chainrule.training.rules import (
    best_step,
)
from chainrule.training.task import Task, TrainState


def finish_run(
    folder: RunFolder, job: Job, task: Task, state: TrainState, seconds: float, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Put the best weights in place, read the test part once, and write down the result."""
    monitor = job.recipe.train.monitor
    model = state.deployed(task).float().cpu()
    best = best_step(state.history, monitor)
    if best is None:
        best = state.step
    if best != state.step:
        run = folder.info().get("id")
        weights = checkpoint_weights(step_folder(folder.checkpoints, best), task.deploy, run=run)
        missing = set(model.state_dict()) ^ set(weights)
        if missing:
            raise CheckpointError(f"the checkpoint of step {best} belongs to another network", got=sorted(missing)[0])
        with torch.no_grad():
            for name, value in model.state_dict().items():
                value.copy_(weights[name])
    write_weights(folder.model, {name: value.contiguous() for name, value in model.state_dict().items()})
    results = job.write_final_facts(folder, task, model)
    result = {**results, "best_step": best, "steps": state.step, "seconds": round(seconds, 3), **facts}
    if (threshold := _suggested_clip(folder)) is not None:
        result["suggested_clip_norm"] = threshold
    if chosen := folder.read_json(folder.facts / "chosen.json"):
        result["chosen"] = chosen
    return folder.update(status="finished", result=result, seconds=round(seconds, 3))


def _suggested_clip(folder: RunFolder) -> float | None:
    """A threshold for clipping from the gradient norms of the last epoch."""
    norms = [(line["epoch"], float(line["norm"])) for line in read_journal(folder.metrics) if "norm" in line]
    last = [norm for epoch, norm in norms if epoch == norms[-1][0]]
    return suggest_clip(last) if any(0 < norm < math.inf for norm in last) else None
