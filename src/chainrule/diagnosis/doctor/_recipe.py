"""A recipe, trained for a while under observation; nothing of it stays."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from chainrule.core.errors import ChainruleError, RecipeError, UsageError
from chainrule.core.folder import RunFolder
from chainrule.core.recipe import Recipe
from chainrule.core.sections import OWN
from chainrule.data import Batch
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._diagnose import diagnose
from chainrule.diagnosis.doctor._ending import is_training, with_error
from chainrule.diagnosis.doctor._observe import Enough, Watch
from chainrule.diagnosis.doctor.findings import Diagnosis, Finding
from chainrule.diagnosis.doctor.labels.options import OPTIONS
from chainrule.diagnosis.doctor.limits import EXPERIMENTS, SECONDS
from chainrule.tasks.runs._begin import OwnNetwork, begin_run
from chainrule.tasks.runs._run import Run
from chainrule.tasks.runs._signals import Interrupted
from chainrule.tasks.runs._train import continue_run
from chainrule.tasks.tables import Source, open_recipe
from chainrule.training.evaluate import evaluate
from chainrule.training.task import Examples, Observer, Seen, Task

LOOKED = 1_000
"""Validation examples of the evaluation that is made where the training was ended before its first one."""


def diagnose_recipe(
    source: Source | Run,
    *,
    settings: Mapping[str, Any] | None = None,
    own: OwnNetwork | None = None,
    seconds: float = SECONDS,
    observers: Iterable[Observer] = (),
) -> Diagnosis:
    """Train a recipe from its beginning for some seconds, in a folder that vanishes, and say what is wrong with it.

    Args:
        source: A recipe, as `chainrule.train` takes it, or a run, whose recipe is taken.
        settings: Laid over it.
        own: The network, where it is one's own.
        seconds: How long it is trained at most.
        observers: Called after each step.

    Raises:
        RecipeError: It is not valid.
        UsageError: It is a study, or takes no steps.
        ChainruleError: What the training raised before its first step.
    """
    recipe, name = _opened(source, settings, own)
    watch = Watch()
    error: ChainruleError | None = None
    with tempfile.TemporaryDirectory(prefix="chainrule-doctor-") as folder:
        out = Path(folder) / "run"
        job = begin_run(recipe, out, name=name, own=own)
        task = job.task()
        if not task.phases or not job.steps():
            raise UsageError(f"{name} takes no steps", expected="a recipe that is learned step by step")
        try:
            with watch:
                continue_run(out, job, observers=[*observers, _Bound(task, seconds)])
        except Interrupted as stopped:  # nothing is there to go on with
            raise KeyboardInterrupt from stopped
        except ChainruleError as caught:
            if not is_training(watch.seen):
                raise
            error = caught
        diagnosis = diagnose(Case(watch.seen, seconds=EXPERIMENTS), name)
    if error is not None:
        diagnosis = with_error(diagnosis, error)
    file = str(own.facts.get("file", "")) if own is not None else ""
    findings = (_with_option(_placed(each, file), recipe) for each in diagnosis.findings)
    return replace(diagnosis, findings=tuple(findings))


def _opened(source: Source | Run, settings: Mapping[str, Any] | None, own: OwnNetwork | None) -> tuple[Recipe, str]:
    laid = dict(settings or {}) | ({"model.name": OWN} if own is not None else {})
    if isinstance(source, Run):
        name, text = source.info["name"], source.recipe  # the recipe is read first: a study has none
        recipe = open_recipe(str(source.folder.recipe), laid) if laid else text
    else:
        name = Path(str(source)).stem if isinstance(source, str | Path) else "recipe"
        recipe = open_recipe(source, laid)
    if own is None and recipe.model.name == OWN:
        raise RecipeError("this recipe trains a network of one's own", remedy="give it: --model FILE.py:NAME")
    return recipe, name


def open_run(path: str | Path) -> Run | None:
    """The run in a folder; None where the path is no folder with a run."""
    return Run.open(path) if RunFolder(Path(path)).info_file.is_file() else None


class _Bound:
    """Ends the training when its time is over, not without having looked at an evaluation."""

    def __init__(self, task: Task, seconds: float) -> None:
        self.task, self.end, self.evaluated = task, time.monotonic() + seconds, False

    def __call__(self, seen: Seen) -> None:
        self.evaluated |= seen.evaluated is not None
        if time.monotonic() < self.end:
            return
        if not self.evaluated and "valid" in self.task.examples:
            few = replace(self.task, examples={"valid": _First(self.task.examples["valid"], LOOKED)})
            evaluate(few, seen.model, "valid")
        raise Enough


class _First:
    """The first examples of a part."""

    def __init__(self, examples: Examples, count: int) -> None:
        self.examples, self.count = examples, min(count, len(examples))

    def __len__(self) -> int:
        return self.count

    def fetch(self, index: Tensor, key: Tensor) -> Batch:
        return self.examples.fetch(index, key)


def _placed(finding: Finding, file: str) -> Finding:
    """Without a line of code that is none of the network's own file: whoever asked is not what was asked about."""
    name, _, number = finding.where.rpartition(":")
    return replace(finding, where="", code="") if number.isdigit() and name != file else finding


def _with_option(finding: Finding, recipe: Recipe) -> Finding:
    """Name the option of the recipe that a finding is about, and what it is now."""
    named = [(path, _value(recipe, path)) for path in OPTIONS.get(finding.label, ())]
    told = ", ".join(f"--{path}" + (f" (now {value})" if value is not None else "") for path, value in named)
    if not told:
        return finding
    change = f"{finding.change.rstrip('. ')}. In the recipe: {told}" if finding.change else f"In the recipe: {told}"
    return replace(finding, where=finding.where or named[0][0], change=change)


def _value(recipe: Recipe, path: str) -> Any:
    section, _, key = path.partition(".")
    part = getattr(recipe, section, None)
    return getattr(part, key, None) if part is not None else None
