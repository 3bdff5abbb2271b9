"""One trial: a run of its own, measured, cut short where it falls behind, taken up where another process left it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from chainrule.core.errors import NonFiniteError, RecipeError, StorageError
from chainrule.core.folder import RunFolder
from chainrule.core.journal import read_journal
from chainrule.core.store import Lock
from chainrule.tasks.runs._report import write_report
from chainrule.tasks.runs._run_group import Single, train_member
from chainrule.training.task import Observer, Seen
from chainrule.tuning._plan import SearchPlan, recipe_of
from chainrule.tuning._stage import Stage

WAIT: Final = 0.5
"""Seconds between two looks at a folder that another process still has."""


class Pruned(Exception):
    """The trial has fallen behind and is not trained on."""


class Rungs:
    """An observer that tells the study each measurement of a training, and ends it where the study says so.

    Args:
        stage: Where the trial stands.
        trial: Which.
        plan: Of the search: by which metric trials are compared, and whether they are cut short at all.
    """

    def __init__(self, stage: Stage, trial: Any, plan: SearchPlan) -> None:
        self.stage, self.trial, self.metric, self.compared = stage, trial, plan.metric, plan.pruner != "none"
        self.told: list[tuple[float, float]] = []

    def __call__(self, seen: Seen) -> None:
        ends = False
        for step, metrics in seen.history[len(self.told) :]:  # those before an interruption as well
            self.told.append((step / seen.steps, float(metrics[self.metric])))
            if self.compared:
                ends = self.stage.measured(self.trial, len(self.told), float(metrics[self.metric]))
        if ends and not self.trial.user_attrs["recipe"] and seen.step < seen.steps:
            raise Pruned


def run_trial(
    plan: SearchPlan, stage: Stage, trial: Any, settings: Mapping[str, Any], *, folder: Path,
    per_epoch: float | None, observers: Callable[[str], Iterable[Observer]], resume_command: str,
) -> None:  # fmt: skip
    """Train a trial that this process has claimed, and write down how it ended.

    A finished run in its folder is not trained again, one that was interrupted goes on from its checkpoint. Settings
    that do not go together, a loss that is no number, or too little memory end the trial and not the search.

    Args:
        plan: Of the search.
        stage: Of the trial.
        trial: As `Stage.claim` gave it.
        settings: As `Stage.draw` gave them.
        folder: Of the search; the run stands in `trials/STAGE-INDEX`.
        per_epoch: Steps of an epoch at the recipe's own batch.
        observers: What a run is called -> called after each of its steps.
        resume_command: What goes on with the search.

    Raises:
        Interrupted: A signal came; the run is saved, and the trial waits again.
    """
    index = int(trial.user_attrs["index"])
    name = f"{stage.name}-{index:03d}"
    place = folder / "trials" / name
    facts = {"settings": dict(settings), "folder": str(place.relative_to(folder))}
    rungs = Rungs(stage, trial, plan)

    def ended(state: str, value: float | None = None, **more: Any) -> None:
        points = [[share, reached] for share, reached in rungs.told if math.isfinite(reached)]
        stage.finish(trial, state, value, {**facts, "rungs": points or _stored(place, plan.metric), **more})

    threads, begun = torch.get_num_threads(), time.monotonic()
    try:
        with stage.beating(trial):
            recipe = recipe_of(plan, stage.name, settings, per_epoch=per_epoch)
            member = Single(recipe, name, f"chainrule train {place / 'recipe.yaml'}")
            _until_free(place)
            run = train_member(
                place, member, name, lambda title: [rungs, *observers(title)], None, resume_command
            )  # fmt: skip
        result = run.result or {}
        measured = result.get("valid") or {}
        kept = {key: value for key, value in measured.items() if isinstance(value, int | float)}
        ended(
            "finished", float(measured[plan.metric]), metrics=kept, seconds=result.get("seconds"),
            steps=result.get("steps"), parameters=run.info.get("parameters"),
        )  # fmt: skip
    except Pruned:
        reached, seconds = _best(plan, [value for _, value in rungs.told]), round(time.monotonic() - begun, 3)
        _mark_pruned(place, plan.metric, reached, seconds)
        ended("pruned", rungs.told[-1][1], seconds=seconds)
    except NonFiniteError as error:
        ended("diverged", None, why=str(error.what))
    except RecipeError as error:
        ended("failed", None, why=str(error))
    except (MemoryError, torch.OutOfMemoryError):
        ended("failed", None, why="the machine has not enough memory for it")
    except BaseException:
        stage.put_back(trial)
        raise
    finally:
        torch.set_num_threads(threads)


def _until_free(place: Path) -> None:
    """Wait while another process has the folder: one that was taken for dead and is not."""
    while place.is_dir():
        try:
            with Lock(place):
                return
        except StorageError as error:
            if "in use" not in error.what:
                raise
            time.sleep(WAIT)


def _best(plan: SearchPlan, values: list[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return (max if plan.higher else min)(finite) if finite else None


def _mark_pruned(place: Path, metric: str, reached: float | None, seconds: float) -> None:
    """The run says that it was ended, not that it failed; `chainrule resume` would train it on."""
    folder = RunFolder(place)
    lines = read_journal(folder.metrics)
    result = {
        "valid": {} if reached is None else {metric: reached},
        "steps": max((int(line["step"]) for line in lines), default=0),
    }
    folder.update(status="pruned", result=result, seconds=seconds)
    write_report(folder)


def _stored(place: Path, metric: str) -> list[list[float]]:
    """The measurements of a run that was finished before this process took it up."""
    metrics = RunFolder(place).metrics
    if not metrics.is_file():
        return []
    lines = [line for line in read_journal(metrics) if line.get("part") == "valid" and metric in line]
    last = max((int(line["step"]) for line in read_journal(metrics)), default=1)
    return [[line["step"] / last, float(line[metric])] for line in lines if math.isfinite(float(line[metric]))]
