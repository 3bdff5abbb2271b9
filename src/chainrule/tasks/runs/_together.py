"""A training that several processes share: how they begin, and that they are about to do the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from chainrule.core.errors import DistributedError, UsageError
from chainrule.core.folder import RunFolder
from chainrule.core.plain import to_json
from chainrule.core.recipe import Recipe
from chainrule.core.store import remove_folder
from chainrule.core.version import __version__
from chainrule.runtime.device import choose_device
from chainrule.runtime.launched import launched
from chainrule.runtime.world import Alone, World
from chainrule.tasks.job._job import Job
from chainrule.tasks.runs._begin import OwnNetwork, begin_run
from chainrule.tasks.runs._run import Run
from chainrule.training.checkpoint import newest_step, step_folder

SAMPLES = 16
"""Examples of each part by which the data of processes are compared."""


@contextmanager
def world_of(recipe: Recipe) -> Iterator[World]:
    """Yield the processes that share a training: those that a launcher started, or this one alone.

    Raises:
        DistributedError: The others do not come.
        UsageError: The weights are to be laid out over other numbers of processes than there are.
    """
    train = recipe.train
    device = choose_device(train.device)
    if not launched():
        if train.shard > 1:
            raise UsageError(
                f"one process cannot lay out the weights over {train.shard}",
                remedy=f"chainrule train RECIPE --processes {train.shard} --train.shard {train.shard}",
            )
        yield Alone(device)
        return
    from chainrule.runtime.processes import joined

    with joined(shard=train.shard, device=device, seconds=train.process_timeout) as world:
        yield world


def begin_together(
    recipe: Recipe,
    out: Path,
    world: World,
    *,
    name: str,
    command: str,
    own: OwnNetwork | None,
    given: bool,
) -> Job:
    """Begin a run in process 0, and return to each process the recipe with its data at hand.

    Where a launcher starts all processes anew after one has died, the run that they had begun is gone on with.

    Args:
        recipe: What is trained.
        out: The run folder.
        world: The processes.
        name: What the run is called.
        command: What reproduces it.
        own: A network of one's own.
        given: Whether somebody named the folder; processes cannot each make up a name.

    Raises:
        DistributedError: A process is not like the others.
        UsageError: Several processes, and no folder is named.
    """
    if world.size > 1 and not given:
        raise UsageError("processes that share a training need a folder that is named", remedy="-o RUN")
    made: list[Job] = []

    def begin() -> None:
        if not _is_begun(out):
            made.append(begin_run(recipe, out, name=name, command=command, own=own))
            if world.size > 1:
                RunFolder(out).update(launch=_launch())

    world.first(begin)
    job = made[0] if made else Run.open(out).job(own.build if own else None)
    require_same(job, world, recipe)
    return job


def _launch() -> str | None:
    """What the launcher calls this start of processes."""
    return os.environ.get("TORCHELASTIC_RUN_ID")


def _is_begun(out: Path) -> bool:
    """Whether these processes began the run before they were started anew; what was not begun whole is removed."""
    folder = RunFolder(out)
    if os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0" or not folder.info_file.is_file():
        return False
    info = folder.info()
    whole = step_folder(folder.checkpoints, newest_step(folder.checkpoints)).is_dir()
    if whole and info.get("launch", _launch()) == _launch():
        return True
    if not whole:
        remove_folder(out)
    return False


def require_same(job: Job, world: World, recipe: Recipe | None = None) -> None:
    """Refuse to begin where a process has another recipe, other data, or another version.

    Raises:
        DistributedError: So it is; the process and what differs are named.
    """
    if world.size == 1:
        return
    mine = {
        "recipe": _digest((recipe or job.recipe).model_dump(mode="json")),
        "data": _digest({"processing": job.processing(), **{part: len(rows) for part, rows in job.parts.items()}}),
        "examples": _examples(job),
        "chainrule": __version__,
        "torch": torch.__version__,
    }
    every = world.gather(mine)
    for what in mine:
        others = [rank for rank, each in enumerate(every) if each[what] != every[0][what]]
        if others:
            whose = f"process{'es' if len(others) > 1 else ''} {', '.join(map(str, others))}"
            raise DistributedError(
                f"the {what} of {whose} is not that of process 0",
                expected=every[0][what],
                got=every[others[0]][what],
                remedy="start all processes with the same recipe, data and versions",
            )


def _digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(to_json(data)).hexdigest()[:16]


def _examples(job: Job) -> str:
    """A digest of some examples of each part, as the network is given them."""
    digest = hashlib.sha256()
    for part in sorted(job.parts):
        examples = job.examples(part)
        index = torch.linspace(0, len(examples) - 1, min(SAMPLES, len(examples))).long().unique()
        batch = examples.fetch(index, index)
        for tensor in _tensors([batch.inputs, batch.targets]):
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        if value.numel():
            yield value.reshape(-1)
    elif isinstance(value, Mapping):
        for name in sorted(value):
            yield from _tensors(value[name])
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _tensors(inner)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from _tensors(getattr(value, name))
