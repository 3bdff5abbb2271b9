"""Several runs in one folder, trained one after the other: seeds of a recipe, recipes of a study, seeds of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from chainrule.core.errors import CheckpointError, NonFiniteError, StorageError, UsageError
from chainrule.core.folder import RunFolder
from chainrule.core.recipe import Recipe
from chainrule.core.store import Lock, clean_stale, remove_folder, write_file
from chainrule.tasks.job._job import job_type
from chainrule.tasks.runs._begin import OwnNetwork, begin_run
from chainrule.tasks.runs._info import new_info
from chainrule.tasks.runs._report import write_report
from chainrule.tasks.runs._run import Run
from chainrule.tasks.runs._train import continue_run
from chainrule.training.task import Observer

Observers = Callable[[str], Iterable[Observer]]
"""What a run is called while it is trained ("run 2 of 3") -> what is called after each of its steps."""

_CHECKPOINT = re.compile(r"(damaged-)?step-\d+(-\d+)?")


@dataclass(frozen=True)
class Single:
    """One run of a group.

    Args:
        recipe: What is trained.
        name: Of the run.
        command: What makes it alone.
    """

    recipe: Recipe
    name: str
    command: str


@dataclass(frozen=True)
class Group:
    """What a folder of several runs holds.

    Args:
        kind: "repeats", "ensemble" or "study".
        name: What lists and the report call it.
        text: Of its `recipe.yaml`; a folder with another text is another group.
        members: Name of the folder -> a run, or a group again; in the order in which they are trained.
        result: What all of them reached together, from the runs in their order.
        facts: Entries of `run.json` beside those of every run. `count`, how many seeds, may change later.
        command: What makes all of them; that of the folder stays when left out.
        title: Name of a member's folder -> what it is called in errors ("seed 3").
    """

    kind: str
    name: str
    text: str
    members: Mapping[str, Single | Group]
    result: Callable[[Sequence[Run]], dict[str, Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    command: str | None = None
    title: Callable[[str], str] = str


def train_group(
    folder: RunFolder,
    group: Group,
    *,
    observers: Observers,
    own: OwnNetwork | None,
    resume_command: str,
    title: str = "",
) -> dict[str, Any]:
    """Make the folder of a group, or take up the one that is there, and train what is not trained yet.

    A finished run stays as it is, an interrupted one goes on, and one that was stopped while it was made is made again.
    A run whose loss is no number any more does not keep the others from being trained; it is told at the end. Of a new
    folder nothing is left when its first run cannot be made, because its data are missing for example.

    Args:
        folder: Of all runs; there, it must hold the same group, with the same network.
        group: What is to stand in it.
        observers: What a run is called -> called after each of its steps.
        own: The network, if it is one's own.
        resume_command: What goes on with the folder; named when a signal stops it.
        title: What stands before the names of the runs, where the group is a member itself.

    Returns:
        `group.result` of the runs.

    Raises:
        UsageError: The folder holds something else; nothing is changed.
        Interrupted: A signal came; the state was saved.
        NonFiniteError: Of the first run that failed so.
    """
    new = not folder.path.exists()
    _begin(folder, group, own)
    try:
        with Lock(folder.path):
            clean_stale(folder.path)
            runs = _train_members(folder, group, observers, own, resume_command, title)
            result = group.result(runs)
            sizes = {run.info["parameters"] for run in runs}
            folder.update(status="finished", result=result, parameters=sizes.pop() if len(sizes) == 1 else None)
            write_report(folder)
    except BaseException:
        if new and not any((folder.path / name).exists() for name in group.members):
            with suppress(StorageError):  # the first error is told
                remove_folder(folder.path)
        raise
    return result


def _begin(folder: RunFolder, group: Group, own: OwnNetwork | None) -> None:
    program = dict(own.facts) if own and own.facts else None
    facts = {**group.facts, **({"program": program} if program else {})}
    if folder.path.exists():
        info = folder.info()
        same = info["kind"] == group.kind and _text(folder.recipe) in (group.text, None)
        counted = (info.get("count") is None) == (group.facts.get("count") is None)
        if not (same and counted) or _hash(program) not in (_hash(info.get("program")), None):
            raise UsageError(f"{folder.path} holds something else", remedy="choose another folder with -o")
        command = group.command or info.get("command")
        folder.update(**facts, status="running", result=None, error=None, command=command)
    else:
        folder.create({**new_info(group.kind, group.name, command=group.command), **facts}, checkpoints=False)
    write_file(folder.recipe, group.text.encode())


def _train_members(
    folder: RunFolder,
    group: Group,
    observers: Observers,
    own: OwnNetwork | None,
    resume_command: str,
    title: str,
) -> list[Run]:
    """All runs of a group, trained; what stops one of them is written down and raised."""
    runs: list[Run] = []
    lost: NonFiniteError | None = None
    threads = torch.get_num_threads()
    for number, (name, member) in enumerate(group.members.items(), 1):
        place = f"{number} of {len(group.members)}"
        called = f"{title}run {place}" if group.kind == "repeats" else f"{title}{name} ({place})"
        try:
            runs.append(train_member(folder.path / name, member, called, observers, own, resume_command))
        except NonFiniteError as error:
            if lost is None:
                lost = error
                folder.update(error=f"{group.title(name)}: {error}")
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt)
            with suppress(StorageError, CheckpointError):  # the disk may be why; the first error is told
                folder.update(
                    status="interrupted" if stopped else "failed",
                    error=None if stopped else f"{group.title(name)}: {error}",
                )
            raise
        finally:
            torch.set_num_threads(threads)  # what one recipe says of threads is not for the next one
    if lost is not None:
        folder.update(status="failed")
        write_report(folder)
        raise lost
    return runs


def train_member(
    place: Path,
    member: Single | Group,
    title: str,
    observers: Observers,
    own: OwnNetwork | None,
    resume_command: str,
) -> Run:
    """Train one run of several to its end: made, gone on with, or already there.

    Args:
        place: Its folder.
        member: What is to stand in it.
        title: What it is called.
        observers: What a run is called -> called after each of its steps.
        own: The network, if it is one's own.
        resume_command: What goes on with all runs; named when a signal stops one.
    """
    if place.exists() and not _can_go_on(place):
        remove_folder(place)
    if isinstance(member, Group):
        folder = RunFolder(place)
        known = folder.info() if place.exists() else {}
        if known.get("status") != "finished" or known.get("count") != member.facts.get("count"):
            train_group(folder, member, observers=observers, own=own, resume_command=resume_command, title=f"{title}, ")
        return Run.open(place)
    job = None
    if not place.exists():
        job = begin_run(member.recipe, place, name=member.name, command=member.command, own=own)
    if RunFolder(place).info()["status"] != "finished":
        job = job or job_type(member.recipe).begun(member.recipe, network=own.build if own else None)
        continue_run(place, job, observers=observers(title), resume_command=resume_command)
    if not RunFolder(place).report.is_file():
        write_report(RunFolder(place))
    return Run.open(place)


def _can_go_on(place: Path) -> bool:
    """Whether a run was made whole; its first checkpoint is the last thing that is written. What is not ours stays."""
    folder = RunFolder(place)
    if not folder.info_file.is_file():
        return any(child.name != "checkpoints" and ".tmp-" not in child.name for child in place.iterdir())
    info = folder.info()
    if info["status"] == "finished" or info["kind"] in ("repeats", "ensemble", "study"):
        return True
    saved = folder.checkpoints.iterdir() if folder.checkpoints.is_dir() else ()
    return any(_CHECKPOINT.fullmatch(child.name) for child in saved)


def _text(path: Path) -> str | None:
    """The text of a recipe; None where the writing of the folder was cut short before it."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _hash(program: Mapping[str, Any] | None) -> Any:
    return (program or {}).get("sha256")
