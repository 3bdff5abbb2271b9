"""One public function for each verb: what the command line and notebooks call."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from chainrule.core.errors import CheckpointError, RecipeError, UsageError
from chainrule.core.folder import RunFolder, find_runs, new_folder
from chainrule.core.recipe import OWN, Recipe
from chainrule.core.store import remove_folder, write_file
from chainrule.recipes import measured, recipe_names
from chainrule.tasks._classify import Classification
from chainrule.tasks._facts import write_report
from chainrule.tasks._repeats import begin_repeats, continue_repeats
from chainrule.tasks._run import Prediction, Run
from chainrule.tasks._train import OwnNetwork, begin_run, continue_run
from chainrule.tasks.tables import check_options, open_recipe
from chainrule.training.task import Observer

Source = str | Path | Mapping[str, Any] | Recipe


def train(
    recipe: Source,
    *,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    model: Callable[..., nn.Module] | None = None,
    observers: Iterable[Observer] = (),
    command: str | None = None,
    own: OwnNetwork | None = None,
    report: bool = True,
) -> Run:
    """Train a recipe and return its run.

    Args:
        recipe: The name of a recipe that comes with the package, a YAML file, plain data, or a `Recipe`.
        out: The run folder; it must not exist. `runs/RECIPE-DATE-TIME` when left out.
        settings: Laid over the recipe, such as `{"optim.lr": 0.01}`.
        model: A network of one's own: a class or function that takes the options under `model:` as keyword arguments.
        observers: Called after each step.
        command: What reproduces the run, for its report.
        own: A network with facts about its file; used by the command line.
        report: Whether to write `report.html` at the end.

    Raises:
        RecipeError: The recipe is not valid; nothing is made.
        DataError: The data are missing or damaged; nothing is made.
        UsageError: The folder exists.
        NonFiniteError: The loss or the gradient is not finite; the run can be looked at.

    Example:
        `chainrule.train("digits-softmax", settings={"train.epochs": 5}).result["test"]["accuracy"]`
    """
    if model is not None:
        own = OwnNetwork(build=model)
    name, checked = _prepare(recipe, settings, own)
    folder = Path(out) if out is not None else new_folder(name)
    begin_run(checked, folder, name=name, command=command or _command(recipe, settings), own=own)
    job = Classification(checked, network=own.build if own else None)
    continue_run(folder, job, observers=observers, resume_command=resume_command(folder, own))
    if report:
        write_report(RunFolder(folder))
    return Run.open(folder)


def repeat(
    recipe: Source,
    count: int,
    *,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    observers: Callable[[int], Iterable[Observer]] = lambda index: (),
    own: OwnNetwork | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Train a recipe with `count` seeds, and splits where the split is drawn, and return mean and deviation.

    The runs stand in `OUT/seed-N`; what is finished is not done again, so an interrupted call can be repeated.

    Args:
        recipe: As `train` takes it; its seed is the first.
        count: How many seeds, at least 2.
        out: The folder of all runs, new or from an earlier call; `runs/RECIPE-DATE-TIME` when left out.
        settings: Laid over the recipe.
        observers: Number of a run, from 0 -> called after each of its steps; asked for runs that are trained now.
        own: A network with facts about its file; used by the command line.
        command: What reproduces the runs, for the report.

    Returns:
        `{"folder", "seeds", "seconds", "valid", "test"}`, the parts as `{metric: {"mean", "deviation", "minimum",
        "maximum", "values"}}`; the deviation is that of a sample (n - 1).

    Raises:
        UsageError: Fewer than two, or the folder holds something else.
    """
    if count < 2:
        raise UsageError("repeats need at least two runs", got=count)
    name, checked = _prepare(recipe, settings, own)
    folder = RunFolder(Path(out) if out is not None else new_folder(name))
    one = _command(recipe, settings)
    begin_repeats(
        folder,
        checked,
        count,
        name=name,
        command_of_one=one,
        command=command or f"{one} --repeats {count}",
        own=own,
    )
    return _go_on(folder, checked, observers, own)


def _go_on(
    folder: RunFolder, recipe: Recipe, observers: Callable[[int], Iterable[Observer]], own: OwnNetwork | None
) -> dict[str, Any]:
    command = resume_command(folder.path, own)
    result = continue_repeats(folder, recipe, observers=observers, own=own, resume_command=command)
    return {"folder": str(folder.path), **result}


def resume(run: str | Path, *, own: OwnNetwork | None = None, observers: Iterable[Observer] = ()) -> Run:
    """Go on with a run from its newest whole checkpoint; the result is the same as without the interruption.

    Raises:
        CheckpointError: It is no run, or it has no whole checkpoint, or its network is another one.
    """
    opened = Run.open(run)
    if opened.info["status"] == "finished":
        return opened
    if opened.recipe.model.name == OWN and own is None:
        raise CheckpointError(f"{run} trains a network of one's own", remedy="give it again: --model FILE.py:NAME")
    if own is not None and (known := opened.info.get("program", {}).get("sha256")) not in (
        None,
        own.facts.get("sha256"),
    ):
        raise CheckpointError(
            f"{own.facts.get('file')} is not the file that the run was started with",
            expected=f"sha256 {known}",
            got=own.facts.get("sha256"),
            remedy=f"a copy stands in {opened.path / 'program.py'}",
        )
    if opened.info["kind"] == "repeats":
        watch = list(observers)
        folder, name = opened.folder, opened.info["name"]
        begin_repeats(folder, opened.recipe, opened.info["count"], name=name, command_of_one="", own=own)
        _go_on(folder, opened.recipe, lambda number: watch, own)
        return Run.open(run)
    job = Classification(opened.recipe, network=own.build if own else None, normalization=opened.normalization)
    continue_run(opened.path, job, observers=observers, resume_command=resume_command(opened.path, own))
    write_report(opened.folder)
    return Run.open(run)


def evaluate(run: str | Path, *, part: str = "valid", module: nn.Module | None = None) -> dict[str, Any]:
    """Measure a run on a part of its data: loss, accuracy, confusion matrix, per-class figures, worst mistakes."""
    return Run.open(run).evaluate(part, module=module)


def predict(
    run: str | Path, sources: Sequence[str | Path | bytes], *, top: int = 5, module: nn.Module | None = None
) -> list[Prediction]:
    """Classify picture files with a run.

    Raises:
        DataError: A picture cannot be read.
    """
    return Run.open(run).predict(sources, top=top, module=module)


def report(runs: str | Path | Sequence[str | Path]) -> Path:
    """Write `report.html` into a run folder and return its path.

    Raises:
        CheckpointError: It is no run.
    """
    folders = [runs] if isinstance(runs, (str, Path)) else list(runs)
    first, *others = [RunFolder(Path(folder)) for folder in folders]
    for folder in (first, *others):
        folder.info()
    return write_report(first, *others)


def new(recipe: Source, path: str | Path, *, settings: Mapping[str, Any] | None = None) -> Path:
    """Write a checked recipe to a file to start from.

    Raises:
        UsageError: The file exists.
    """
    target = Path(path)
    if target.exists():
        raise UsageError(f"{target} exists already", remedy="choose another name")
    checked = open_recipe(recipe, settings)
    check_options(checked)
    write_file(target, checked.to_yaml().encode())
    return target


def list_runs(folder: str | Path = "runs") -> list[Run]:
    """Return the runs in a folder."""
    return [Run(found, found.info()) for found in find_runs(Path(folder))]


def remove_run(run: str | Path) -> None:
    """Remove a run folder, in one step.

    Raises:
        CheckpointError: It is no run; nothing is touched.
    """
    Run.open(run)
    remove_folder(Path(run))


def list_recipes() -> list[dict[str, Any]]:
    """Return name, data, model, one line and the measured result of each recipe that comes with the package."""
    rows = []
    for name in recipe_names():
        recipe = open_recipe(name)
        facts = {"name": name, "about": recipe.about, "data": recipe.data.name, "model": recipe.model.name}
        rows.append({**facts, "measured": measured(name)})
    return rows


def resume_command(folder: Path, own: OwnNetwork | None) -> str:
    """The command line that goes on with a run."""
    target = own.facts.get("target") if own else None
    return f"chainrule resume {shlex.quote(str(folder))}" + (f" --model {shlex.quote(target)}" if target else "")


def _prepare(recipe: Source, settings: Mapping[str, Any] | None, own: OwnNetwork | None) -> tuple[str, Recipe]:
    laid = dict(settings or {})
    if own is not None:
        laid["model.name"] = OWN
    checked = open_recipe(recipe, laid)
    if own is None and checked.model.name == OWN:
        raise RecipeError("this recipe trains a network of one's own", remedy="give it: --model FILE.py:NAME")
    name = Path(str(recipe)).stem if isinstance(recipe, (str, Path)) else "recipe"
    return name, checked


def _command(recipe: Source, settings: Mapping[str, Any] | None) -> str:
    name = str(recipe) if isinstance(recipe, (str, Path)) else "RECIPE"
    words = [word for key, value in (settings or {}).items() for word in (f"--{key}", str(value))]
    return " ".join(["chainrule train", shlex.quote(name), *map(shlex.quote, words)])
