"""One recipe with several seeds: a run for each in one folder, and what they reached together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from chainrule.core.errors import CheckpointError, StorageError, UsageError
from chainrule.core.folder import RunFolder
from chainrule.core.recipe import Recipe
from chainrule.core.spread import spread
from chainrule.core.store import Lock, clean_stale, remove_folder, write_file
from chainrule.tasks._classify import Classification
from chainrule.tasks._facts import write_report
from chainrule.tasks._info import new_info
from chainrule.tasks._run import Run
from chainrule.tasks._signals import Interrupted
from chainrule.tasks._train import OwnNetwork, begin_run, continue_run, with_seed
from chainrule.training.task import Observer

_CHECKPOINT = re.compile(r"(damaged-)?step-\d+(-\d+)?")


def begin_repeats(
    folder: RunFolder,
    recipe: Recipe,
    count: int,
    *,
    name: str,
    command_of_one: str,
    command: str | None = None,
    own: OwnNetwork | None = None,
) -> None:
    """Make the folder of repeated runs, or take up the one that is there.

    Args:
        folder: Of all runs; there, it must hold runs of the same recipe and network.
        recipe: With the first seed.
        count: How many seeds there are to be.
        name: Of the recipe.
        command_of_one: What makes a single run, without its seed.
        command: What makes all of them; that of the folder stays when left out.
        own: The network, if it is one's own.

    Raises:
        UsageError: The folder holds something else.
    """
    text = recipe.to_yaml()
    program = dict(own.facts) if own and own.facts else None
    if folder.path.exists():
        info = folder.info()
        same = info.get("kind") == "repeats" and _text(folder.recipe) in (text, None)
        if not same or _hash(program) not in (_hash(info.get("program")), None):
            raise UsageError(f"{folder.path} holds something else", remedy="choose another folder with -o")
        folder.update(status="running", count=count, result=None, error=None, command=command or info.get("command"))
    else:
        folder.create(
            {
                **new_info("repeats", name, command=command),
                "command_of_one": command_of_one,
                "count": count,
                **({"program": program} if program else {}),
            },
            checkpoints=False,
        )
    write_file(folder.recipe, text.encode())


def continue_repeats(
    folder: RunFolder,
    recipe: Recipe,
    *,
    observers: Callable[[int], Iterable[Observer]],
    own: OwnNetwork | None,
    resume_command: str,
) -> dict[str, Any]:
    """Train what is not trained yet, and write down what all seeds reached together.

    A finished run stays as it is, an interrupted one goes on, and one that was stopped while it was made is made again.

    Args:
        folder: From `begin_repeats`.
        recipe: With the first seed.
        observers: Number of a run -> called after each of its steps.
        own: The network, if it is one's own.
        resume_command: What goes on with the folder; named when a signal stops it.

    Returns:
        `{"seeds", "seconds": of all trainings, "valid", "test"}`, the parts as `{metric: {"mean", "deviation",
        "minimum", "maximum", "values"}}`.
    """
    runs = []
    with Lock(folder.path):
        clean_stale(folder.path)
        first, count = recipe.train.seed, folder.info()["count"]
        for number in range(count):
            one = with_seed(recipe, first + number)
            try:
                runs.append(_seed_run(folder, one, partial(observers, number), own, resume_command))
            except BaseException as error:
                stopped = isinstance(error, Interrupted | KeyboardInterrupt)
                with suppress(StorageError, CheckpointError):  # the disk may be why; the first error is told
                    folder.update(
                        status="interrupted" if stopped else "failed",
                        error=None if stopped else f"seed {first + number}: {error}",
                    )
                raise
        results = [run.result or {} for run in runs]
        result = {
            "seeds": [run.recipe.train.seed for run in runs],
            "seconds": round(sum(result.get("seconds", 0.0) for result in results), 3),
            **{part: spread([result.get(part) or {} for result in results]) for part in ("valid", "test")},
        }
        folder.update(status="finished", result=result, parameters=runs[0].info["parameters"])
        write_report(folder)
    return result


def _seed_run(
    folder: RunFolder,
    recipe: Recipe,
    observers: Callable[[], Iterable[Observer]],
    own: OwnNetwork | None,
    resume_command: str,
) -> Run:
    """One of the repeated runs: made, gone on with, or already there."""
    place = folder.path / f"seed-{recipe.train.seed}"
    if place.exists() and not _can_go_on(place):
        remove_folder(place)
    if not place.exists():
        info = folder.info()
        command = f"{info['command_of_one']} --train.seed {recipe.train.seed}"
        begin_run(recipe, place, name=info["name"], command=command, own=own)
    if RunFolder(place).info()["status"] != "finished":
        job = Classification(recipe, network=own.build if own else None)
        continue_run(place, job, observers=observers(), resume_command=resume_command)
    if not RunFolder(place).report.is_file():
        write_report(RunFolder(place))
    return Run.open(place)


def _can_go_on(place: Path) -> bool:
    """Whether a run was made whole; its first checkpoint is the last thing that is written. What is not ours stays."""
    folder = RunFolder(place)
    if not folder.info_file.is_file():
        return any(child.name != "checkpoints" and ".tmp-" not in child.name for child in place.iterdir())
    if folder.info()["status"] == "finished":
        return True
    saved = folder.checkpoints.iterdir() if folder.checkpoints.is_dir() else ()
    return any(_CHECKPOINT.fullmatch(child.name) for child in saved)


def _text(path: Path) -> str | None:
    """The text of a recipe; None where the writing of the folder was cut short before it."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _hash(program: Mapping[str, Any] | None) -> Any:
    return (program or {}).get("sha256")
