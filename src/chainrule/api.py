"""One public function for each verb: what the command line and notebooks call."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from chainrule.core.errors import CheckpointError, RecipeError, UsageError
from chainrule.core.folder import RunFolder, find_runs, new_folder
from chainrule.core.recipe import Recipe
from chainrule.core.sections import OWN
from chainrule.core.store import remove_folder, write_file
from chainrule.core.study import is_study
from chainrule.exporting._export import Exported, Sample, export_run
from chainrule.recipes import measured, recipe_names, study_names
from chainrule.tasks._design import design as design
from chainrule.tasks.explaining._explain import Explanation
from chainrule.tasks.job._prediction import Prediction
from chainrule.tasks.runs._begin import OwnNetwork
from chainrule.tasks.runs._changes import resumed_with
from chainrule.tasks.runs._ensemble import ensemble_group
from chainrule.tasks.runs._repeats import repeats as repeats_of
from chainrule.tasks.runs._report import write_report
from chainrule.tasks.runs._run import Run
from chainrule.tasks.runs._run_group import Group, Observers, train_group
from chainrule.tasks.runs._study import commands_of, group_of_folder, study_group
from chainrule.tasks.runs._together import begin_together, require_same, world_of
from chainrule.tasks.runs._train import continue_run
from chainrule.tasks.tables import Source, check_options, open_recipe, open_study, read_source
from chainrule.training.task import Observer


def backprop(what: str | Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """Walk through backpropagation: each value, and the gradient that comes back to it.

    Args:
        what: An expression as text, or a function on tensors, or a network.
        inputs: What it is called with; for an expression the values of its leaves.
        options: As `chainrule.analysis.expression.derive` or `chainrule.analysis.trace.walk_through` takes them.

    Returns:
        A `Derivation` or a `Trace`; both show themselves in a terminal and in a notebook.

    Raises:
        UsageError: The expression, or what is given for it, is wrong.

    Example:
        >>> import torch
        >>> trace = backprop(lambda x: (x * x).sum(), torch.tensor([3.0, 4.0]))
        >>> trace.gradient("x")
        tensor([6., 8.])

    Source:
        LECTURES C1, C2, C9.
    """
    if isinstance(what, str):
        from chainrule.analysis.expression import derive

        return derive(what, *inputs, **options)
    from chainrule.analysis.trace import walk_through

    return walk_through(what, *inputs, **options)


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
    """Train a recipe and return its run; of a study train all recipes, as `compare` does.

    Args:
        recipe: The name of a recipe that comes with the package, a YAML file, plain data, or a `Recipe`.
        out: The run folder; it must not exist, but for a study. `runs/RECIPE-DATE-TIME` when left out.
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
    if names_study(recipe):
        watch = list(observers)
        every = compare(recipe, out=out, settings=settings, observers=lambda title: watch, own=own, command=command)
        return Run.open(every["folder"])
    name, checked = _prepare(recipe, settings, own)
    folder = Path(out) if out is not None else new_folder(name)
    done_by = command or _command(recipe, settings)
    with world_of(checked) as world:
        job = begin_together(checked, folder, world, name=name, command=done_by, own=own, given=out is not None)
        to_go_on = resume_command(folder, own)
        continue_run(folder, job, observers=observers, resume_command=to_go_on, world=world)
    if report and world.rank == 0:
        write_report(RunFolder(folder))
    return Run.open(folder)


def repeat(
    recipe: Source,
    count: int,
    *,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    observers: Observers = lambda title: (),
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
        observers: What a run is called ("run 1 of 3") -> called after each of its steps; asked for runs that are
            trained now.
        own: A network with facts about its file; used by the command line.
        command: What reproduces the runs, for the report.

    Returns:
        `{"folder", "seeds", "seconds", "valid", "test"}`, the parts as `{metric: {"mean", "deviation", "minimum",
        "maximum", "values"}}`; the deviation is that of a sample (n - 1).

    Raises:
        UsageError: Fewer than two, or the folder holds something else.
    """
    name, checked = _prepare(recipe, settings, own)
    one = _command(recipe, settings)
    every = command or f"{one} --repeats {count}"
    group = repeats_of(checked, count, name=name, command_of_one=one, command=every)
    return _train_group(Path(out) if out is not None else new_folder(name), group, observers, own)


def ensemble(
    recipe: Source,
    count: int,
    *,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    observers: Observers = lambda title: (),
    own: OwnNetwork | None = None,
    command: str | None = None,
) -> Run:
    """Train a recipe `count` times, with other weights and orders, and return the ensemble, which answers as one.

    The members stand in `OUT/member-N`; what is finished is not done again, so an interrupted call can be repeated.
    With `data.bootstrap` each member learns from a training part of its own, drawn with replacement.

    Args:
        recipe: As `train` takes it; its seed is the first.
        count: How many members, at least 2.
        out: The folder of all, new or from an earlier call; `runs/RECIPE-DATE-TIME` when left out.
        settings: Laid over the recipe.
        observers: What a run is called ("member-1 (1 of 5)") -> called after each of its steps; asked for runs that are
            trained now.
        own: A network with facts about its file; used by the command line.
        command: What reproduces the ensemble, for the report.

    Raises:
        UsageError: Fewer than two, networks that do not give probabilities of classes, or the folder holds something
            else.

    Example:
        `chainrule.ensemble("digits-mlp", 5).result["gain"]["test"]["accuracy"]`

    Source:
        LECTURES B14.
    """
    name, checked = _prepare(recipe, settings, own)
    one = _command(recipe, settings)
    every = command or f"{one} --ensemble {count}"
    group = ensemble_group(checked, count, name=name, command_of_one=one, command=every, own=own)
    folder = Path(out) if out is not None else new_folder(name)
    _train_group(folder, group, observers, own)
    return Run.open(folder)


def compare(
    study: Source,
    *,
    repeats: int | None = None,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    observers: Observers = lambda title: (),
    own: OwnNetwork | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Train the recipes of a study one after the other and return what each reached; its report shows them together.

    The runs stand in `OUT/LABEL`, with `repeats` in `OUT/LABEL/seed-N`; what is finished is not done again, so an
    interrupted call can be repeated.

    Args:
        study: The name of a study that comes with the package, a YAML file, or plain data with `compare`.
        repeats: How many seeds of each, at least 2; one run of each when left out.
        out: The folder of all runs, new or from an earlier call; `runs/STUDY-DATE-TIME` when left out.
        settings: Laid over all recipes.
        observers: What a run is called ("plain-20 (1 of 6)") -> called after each of its steps; asked for runs that are
            trained now.
        own: A network with facts about its file; used by the command line.
        command: What reproduces the runs, for the report.

    Returns:
        `{"folder", "seconds", "members": {label: {"valid", "test", "parameters", "steps", "seconds", ...}}}`; with
        `repeats` the parts are as `repeat` has them.

    Raises:
        RecipeError: It is no study, or one of its recipes is not valid; nothing is made.
        UsageError: The folder holds something else, or fewer than two repeats.
        NonFiniteError: The loss of a run was not finite; the others are trained.

    Example:
        `chainrule.compare({"compare": ["digits-mlp", "digits-svm"], "all": {"train.epochs": 5}})["members"]`
    """
    laid = {**(settings or {}), **({"model.name": OWN} if own is not None else {})}
    found, recipes = open_study(study, laid)
    for recipe in recipes.values():
        _require_network(recipe, own)
    name = _name(study, "study")
    folder = Path(out) if out is not None else new_folder(name)
    group = study_group(
        recipes,
        name=name,
        about=found.about,
        commands=commands_of(found, recipes, dict(settings or {}), folder=folder),
        count=repeats,
        command=command or _command(study, settings) + (f" --repeats {repeats}" if repeats else ""),
    )
    return _train_group(folder, group, observers, own)


def names_study(source: Source) -> bool:
    """Whether a name, file or plain data are those of a study, and not of one recipe."""
    return not isinstance(source, Recipe) and is_study(read_source(source)[0])


def _train_group(path: Path, group: Group, observers: Observers, own: OwnNetwork | None) -> dict[str, Any]:
    command = resume_command(path, own)
    return {
        "folder": str(path),
        **train_group(RunFolder(path), group, observers=observers, own=own, resume_command=command),
    }


def resume(
    run: str | Path,
    *,
    own: OwnNetwork | None = None,
    observers: Observers = lambda title: (),
    settings: Mapping[str, Any] | None = None,
) -> Run:
    """Go on with a run from its newest whole checkpoint; the result is the same as without the interruption.

    Of repeated runs, of studies and of searches, what is not finished is trained.

    Args:
        run: The folder.
        settings: `train.steps`, another length, which also a finished run takes; schedules take it from the step that
            was reached, and `events.jsonl` says so. `train.workers`, `train.worker_timeout` and
            `train.process_timeout`, which change no result. Others are refused.
        own: The network, if it is one's own.
        observers: What a run is called -> called after each of its steps.

    Raises:
        CheckpointError: It is no run, or it has no whole checkpoint, or its network is another one.
        UsageError: A setting that a run cannot go on with, or a length that it has passed already.
    """
    opened = Run.open(run)
    steps, others = resumed_with(opened.folder, settings or {})
    if opened.info["status"] == "finished" and steps is None:
        return opened
    if opened.info["kind"] == "search":
        from chainrule.tuning import go_on

        go_on(run, observers=observers)
        return Run.open(run)
    study = group_of_folder(opened.folder) if opened.info["kind"] == "study" else None
    if own is None and (opened.info.get("program") if study else opened.recipe.model.name == OWN):
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
    if study or opened.info["kind"] in ("repeats", "ensemble"):
        _train_group(opened.path, study or _seeds_of_folder(opened, own), observers, own)
        return Run.open(run)
    job = opened.job(own.build if own else None, settings=others)
    watch = observers(opened.path.name)
    command = resume_command(opened.path, own)
    with world_of(job.recipe) as world:
        require_same(job, world)
        continue_run(opened.path, job, observers=watch, resume_command=command, steps=steps, world=world)
    if world.rank == 0:
        write_report(opened.folder)
    return Run.open(run)


def _seeds_of_folder(run: Run, own: OwnNetwork | None) -> Group:
    one, name = run.info.get("command_of_one") or f"chainrule train {shlex.quote(run.info['name'])}", run.info["name"]
    if run.info["kind"] == "ensemble":
        return ensemble_group(run.recipe, run.info["count"], name=name, command_of_one=one, own=own)
    return repeats_of(run.recipe, run.info["count"], name=name, command_of_one=one)


def evaluate(
    run: str | Path, *, part: str | None = None, module: nn.Module | None = None, int8: bool = False
) -> dict[str, Any]:
    """Measure a run on a part of its data: loss, accuracy, confusion matrix, per-class figures, worst mistakes.

    With `int8` what is measured is the network with weights of 8 bits.
    """
    return Run.open(run).evaluate(part, module=module, int8=int8)


def predict(
    run: str | Path,
    sources: Sequence[str | Path | bytes],
    *,
    top: int = 5,
    module: nn.Module | None = None,
    compile_it: bool = False,
) -> list[Prediction]:
    """Classify picture files with a run; `compile_it` is worth it for tens of thousands of pictures.

    Raises:
        DataError: A picture cannot be read.
    """
    return Run.open(run).predict(sources, top=top, module=module, compile_it=compile_it)


def generate(run: str | Path, prompt: str = "", **options: Any) -> str:
    """Return what the language model of a run writes after a prompt; options as `Run.generate` takes them.

    Raises:
        UsageError: The run writes no text.
        DataError: No token of the prompt is known.
    """
    return "".join(Run.open(run).generate(prompt, **options))


def explain(run: str | Path, method: str, **options: Any) -> Explanation:
    """Return why the network of a run says what it says; options as `Run.explain` takes them.

    Raises:
        UsageError: There is no such method, or the run has nothing that it could explain.
    """
    return Run.open(run).explain(method, **options)


def export(
    run: str | Path,
    to: str,
    *,
    out: str | Path | None = None,
    module: nn.Module | None = None,
    compare: str | Path | None = None,
    count: int = 100,
    **options: Any,
) -> Exported:
    """Write a run in the form of another program, and compare what that and the run's network answer.

    Args:
        run: The folder.
        to: The form: "safetensors" (any run), "torch-export" and "onnx" (what classifies, writes or fills in), or
            "ctranslate2" (transformers that translate).
        out: A new folder; one in the run, named as the form, when left out.
        module: For a run of one's own network.
        compare: A file of inputs: a text a line, a picture, or a folder of pictures; those of the validation part when
            left out.
        count: How many inputs are compared at most; 0: none.
        options: Of the form, such as `quantization="int8"`.

    Raises:
        UsageError: The form cannot say what the network computes, or has no such option; the folder exists; a package
            is missing. Nothing is written.

    Example:
        `chainrule.export("runs/sums", "ctranslate2").outcome.facts["compared"]["difference"]`
    """
    sample = Sample(None if compare is None else Path(compare), count)
    return export_run(Run.open(run), to, out=out, module=module, sample=sample, **options)


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
    """Write a checked recipe, or a study, to a file to start from.

    Raises:
        UsageError: The file exists.
    """
    target = Path(path)
    if target.exists():
        raise UsageError(f"{target} exists already", remedy="choose another name")
    if names_study(recipe):
        if settings:
            raise UsageError("settings of a study stand in its file", remedy="write it, and edit what is under `all:`")
        write_file(target, open_study(recipe)[0].to_yaml().encode())
        return target
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
    """Return name, data, model, one line and the measured result of each recipe that comes with the package.

    A study has `compare`, the labels of its recipes, in place of data and model.
    """
    rows: list[dict[str, Any]] = []
    for name in recipe_names():
        recipe = open_recipe(name)
        facts = {"name": name, "about": recipe.about, "data": recipe.data.name, "model": recipe.model.name}
        rows.append({**facts, "measured": measured(name)})
    for name in study_names():
        study, recipes = open_study(name)
        rows.append({"name": name, "about": study.about, "compare": list(recipes), "measured": measured(name)})
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
    _require_network(checked, own)
    return _name(recipe, "recipe"), checked


def _require_network(recipe: Recipe, own: OwnNetwork | None) -> None:
    if own is None and recipe.model.name == OWN:
        raise RecipeError("this recipe trains a network of one's own", remedy="give it: --model FILE.py:NAME")


def _name(source: Source, otherwise: str) -> str:
    return Path(str(source)).stem if isinstance(source, (str, Path)) else otherwise


def _command(recipe: Source, settings: Mapping[str, Any] | None) -> str:
    name = str(recipe) if isinstance(recipe, (str, Path)) else "RECIPE"
    words = [word for key, value in (settings or {}).items() for word in (f"--{key}", str(value))]
    return " ".join(["chainrule train", shlex.quote(name), *map(shlex.quote, words)])
