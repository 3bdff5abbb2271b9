"""The lecture's procedure as one call: check, find the rate, search coarsely, search finely, write the recipe."""

from __future__ import annotations

import importlib.util
import shlex
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from chainrule.core.errors import CheckpointError, RecipeError, StorageError, UsageError
from chainrule.core.folder import RunFolder, new_folder
from chainrule.core.space import space_to_data
from chainrule.core.store import Lock, clean_stale, remove_folder, write_file
from chainrule.tasks.runs._info import new_info
from chainrule.tasks.runs._report import write_report
from chainrule.tasks.runs._signals import Interrupted
from chainrule.tasks.tables import Source
from chainrule.training.task import Observer
from chainrule.tuning._checks import check_rates, check_sample, check_start, data_facts, narrowed
from chainrule.tuning._plan import STAGES, SearchPlan, best_recipe, own_values, plan_search, read_plan
from chainrule.tuning._stages import coarse_trials, fine_trials, ranked

Observers = Callable[[str], Iterable[Observer]]
MOST_WORKERS = 256
_PATIENCE = 60.0
"""Seconds that a process waits for another one to plan a stage before it plans it itself."""


def search(
    recipe: Source,
    *,
    space: str | Path | Mapping[str, Any] | None = None,
    count: int = 20,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    stages: Sequence[str] = STAGES,
    workers: int = 1,
    sampler: str = "random",
    pruner: str = "median",
    share: float = 0.25,
    seed: int | None = None,
    storage: str | None = None,
    study: str | None = None,
    observers: Observers = lambda title: (),
    tell: Callable[[str, Mapping[str, Any] | None], None] = lambda words, row: None,
    command: str | None = None,
) -> dict[str, Any]:
    """Choose settings as the lecture says, and return the best; the report in the folder shows each stage.

    1. initial: the loss at the start is that of guessing. 2. overfit: a few examples can be learned by heart. 3. range:
    the rates at which the loss falls; the coarse stage searches those. 4. coarse: short trainings all over the space.
    5. fine: trainings as long as the recipe's, of the recipe as it is, of the best coarse settings, and of settings
    around them. Trials are compared by the validation metric that the recipe monitors (`train.monitor`); none reads the
    test part.

    Every trial is a run in `OUT/trials`. What is finished is not done again: the same call with the same `out` goes on,
    also beside others that are at work, on other machines with the same `storage`.

    Args:
        recipe: As `train` takes it.
        space: A file or plain data: setting -> `{low, high, scale, step}` or `{choices}`; rate and weight decay around
            the recipe's own when left out.
        count: Trainings in all: a quarter of them, at least 3, are fine ones. It may grow in a later call.
        out: The folder, new or from an earlier call; `runs/RECIPE-search-DATE-TIME` when left out.
        settings: Laid over the recipe.
        stages: Which of the five.
        workers: Processes on this machine.
        sampler: "random", or "tpe" (draws near what was good).
        pruner: What ends trainings that fall behind: "median", "hyperband" or "none".
        share: Length of a coarse training, as a share of the recipe's.
        seed: Of what is drawn; the recipe's when left out.
        storage: Address of a database that several machines share; a file in the folder when left out.
        study: Name of the study in it; `RECIPE-search` when left out.
        observers: What is trained ("coarse-003") -> called after each of its steps; not with several workers.
        tell: Told of each trial that ended (its row), and of what else happens (words).
        command: What repeats the search.

    Returns:
        `{"folder", "metric", "stages": {stage: facts}, "trials": rows, "best": row or None, "as_it_is": row or None,
        "recipe": path of the best recipe}`.

    Raises:
        RecipeError: The recipe or the space is not valid; nothing is made.
        UsageError: An argument is not valid, optuna is missing, or the folder or study holds something else.
        DataError: The data are missing, or have no validation part.
        StorageError: The database does not answer.
        Interrupted: A signal came; what was at work is saved.

    Example:
        `chainrule.search("digits-mlp", count=12)["best"]["settings"]`

    Source:
        LECTURES B12. Bergstra, Bengio: Random search for hyper-parameter optimization (2012).
    """
    require_optuna()
    if not 1 <= workers <= MOST_WORKERS:
        raise UsageError("so many workers cannot be started", expected=f"1 to {MOST_WORKERS}", got=workers)
    name = Path(str(recipe)).stem if isinstance(recipe, str | Path) else "recipe"
    plan = plan_search(
        recipe, space=space, settings=dict(settings or {}), count=count, stages=stages, share=share,
        sampler=sampler, pruner=pruner, seed=seed, name=study or f"{name}-search",
    )  # fmt: skip
    folder = RunFolder(Path(out) if out is not None else new_folder(f"{name}-search"))
    again = command or f"chainrule search {shlex.quote(str(recipe))}"
    if out is None:
        again += f" -o {shlex.quote(str(folder.path))}"
    return _in_folder(
        plan, folder, name, workers=workers, storage=storage, observers=observers, tell=tell, command=again
    )


def go_on(
    folder: str | Path, *, observers: Observers = lambda title: (),
    tell: Callable[[str, Mapping[str, Any] | None], None] = lambda words, row: None,
) -> dict[str, Any]:  # fmt: skip
    """Go on with the search in a folder.

    Raises:
        CheckpointError: The folder is none of a search, is damaged, or its study stands in a database elsewhere.
    """
    require_optuna()
    found = RunFolder(Path(folder))
    info = found.info()
    if info.get("storage"):
        raise CheckpointError(
            f"the study of {found.path} stands in {info['storage']}",
            remedy=f"give its address again: {info.get('command')}",
        )
    try:
        plan = read_plan(found.path)
    except RecipeError as error:
        raise CheckpointError(f"the search of {found.path} is damaged or of another version: {error}") from error
    command = str(info.get("command") or f"chainrule resume {shlex.quote(str(found.path))}")
    return _in_folder(
        plan, found, str(info["name"]), workers=1, storage=None, observers=observers, tell=tell, command=command
    )


def require_optuna() -> None:
    """Refuse to begin where Optuna is not installed.

    Raises:
        UsageError: It is not; the command that adds it.
    """
    if importlib.util.find_spec("optuna") is None:
        raise UsageError("a search needs a package that is not here", remedy="pip install 'chainrule[search]'")


def _in_folder(
    plan: SearchPlan, folder: RunFolder, name: str, *, workers: int, storage: str | None, observers: Observers,
    tell: Callable[[str, Mapping[str, Any] | None], None], command: str,
) -> dict[str, Any]:  # fmt: skip
    from chainrule.tuning._database import Database, hidden, sqlite_url
    from chainrule.tuning._work import Opened

    command = command if storage is None else command.replace(storage, hidden(storage))
    new = not folder.path.exists()
    if not new:
        _require_same(folder, plan)
    data = data_facts(plan)
    database = Database(storage, plan) if storage is not None else None  # a wrong address makes nothing
    if new:
        info = {**new_info("search", name, command=command), "task": plan.recipe.task}
        folder.create({**info, "storage": None if storage is None else hidden(storage)}, checkpoints=False)
    try:
        write_file(folder.recipe, plan.recipe.to_yaml().encode())
        write_file(folder.path / "search.yaml", plan.to_yaml().encode())
        (folder.path / "trials").mkdir(exist_ok=True)
        url = storage or sqlite_url(folder.path / "study.db")
        with _alone(folder.path, tell):
            database = database or Database(url, plan)
        try:
            data = database.set_fact("data", data)
            folder.update(status="running", error=None)
            opened = Opened(plan, folder.path, url, database, data["per_epoch"], command)
            return _stages(opened, folder, workers, observers, tell)
        finally:
            database.close()
    except (Interrupted, KeyboardInterrupt) as error:
        folder.update(status="interrupted")
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(signal.SIGINT, command) from None
        raise
    except BaseException as error:
        if new and not any((folder.path / "trials").glob("*")) and not folder.facts.exists():
            with suppress(StorageError):
                remove_folder(folder.path)
        else:
            with suppress(StorageError, CheckpointError):
                folder.update(status="failed", error=str(error))
        raise


def _require_same(folder: RunFolder, plan: SearchPlan) -> None:
    try:
        same = folder.info()["kind"] == "search" and read_plan(folder.path).same_as() == plan.same_as()
    except RecipeError:
        same = False
    if not same:
        raise UsageError(f"{folder.path} holds something else", remedy="choose another folder with -o")


class _alone(Lock):
    """The folder's lock, waited for: other processes of the same search hold it for moments, or for the checks."""

    def __init__(self, folder: Path, tell: Callable[[str, Mapping[str, Any] | None], None]) -> None:
        super().__init__(folder)
        self.tell = tell

    def __enter__(self) -> Lock:
        said = False
        while True:
            try:
                return super().__enter__()
            except StorageError as error:
                if "in use" not in error.what:
                    raise
                if not said:
                    self.tell("another process prepares this search; waiting for it", None)
                said = True
                time.sleep(0.5)


def _stages(opened: Any, folder: RunFolder, workers: int, observers: Observers, tell: Any) -> dict[str, Any]:
    """Go through the stages, and write down what each found."""
    plan: SearchPlan = opened.plan
    checks = {
        "initial": lambda: check_start(plan),
        "overfit": lambda: check_sample(plan),
        "range": lambda: check_rates(plan, observers=observers),
    }
    found: dict[str, Any] = {}
    with _alone(folder.path, tell):
        clean_stale(folder.path)
        for name in (stage for stage in plan.stages if stage in checks):
            known = opened.database.fact(name)
            found[name] = known if known is not None else opened.database.set_fact(name, checks[name]())
            tell(check_words(name, found[name]), None)
    rows: list[dict[str, Any]] = []
    for name in (stage for stage in plan.stages if stage not in checks):
        _write(opened, folder, found, rows)
        rows += _trained(opened, name, found, rows, workers, observers, tell)
    return _finish(opened, folder, found, rows)


def _trained(
    opened: Any, name: str, found: Mapping[str, Any], before: Sequence[Mapping[str, Any]], workers: int,
    observers: Observers, tell: Any,
) -> list[dict[str, Any]]:  # fmt: skip
    """The rows of a stage whose trials are trained."""
    from chainrule.tuning._rows import rows_of
    from chainrule.tuning._work import work, work_in_processes

    stage = opened.database.stage(name)
    plan: SearchPlan = opened.plan
    wanted = plan.count_of(name)
    begun = time.monotonic()
    mine = opened.database.is_mine(f"plan-{name}-{wanted}")
    while (there := len(stage.newest())) < wanted:
        if mine or time.monotonic() - begun > _PATIENCE:
            trials = coarse_trials(plan, found.get("range")) if name == "coarse" else fine_trials(
                plan, before, there=there
            )  # fmt: skip
            stage.plan(trials)
            break
        time.sleep(0.2)
    if not stage.is_over:
        if workers == 1:
            work(opened, stage, observers=observers, tell=tell)
        else:
            work_in_processes(opened, stage, workers, tell=tell)
    rows = rows_of(stage)
    if not ranked(plan, rows):
        why = next((row["why"] for row in rows if row.get("why")), "all were ended early")
        raise UsageError(f"no {name} training came to its end: {why}", remedy="another --space")
    return rows


def check_words(stage: str, facts: Mapping[str, Any]) -> str:
    """Return what a check found, in a line.

    Example:
        >>> check_words("initial", {"loss": 2.5, "expected": 2.303, "passed": True})
        'initial: the loss begins at 2.5; that of guessing is 2.303'
    """
    if "skipped" in facts:
        return f"{stage}: {facts['skipped']}"
    bad = "" if facts["passed"] else "; look at it before you trust the rest: chainrule doctor"
    if stage == "initial":
        known = facts["expected"]
        return f"initial: the loss begins at {facts['loss']:.4g}" + (
            f"; that of guessing is {known:.4g}{bad}" if known is not None else bad
        )
    if stage == "overfit":
        if facts["passed"]:
            return f"overfit: {facts['examples']} examples are known by heart after {facts['steps']} steps"
        return f"overfit: {facts['examples']} examples are not known by heart after {len(facts['losses'])} steps{bad}"
    if not facts["passed"]:
        return f"range: the loss does not fall at any rate{bad}"
    return (
        f"range: the loss falls from rate {facts['begins']:.2g} on, fastest at {facts['steepest']:.2g}, and is lost at "
        f"{facts['diverges']:.2g}: {facts['suggestion']:.2g} is a rate to begin with; the recipe has {facts['own']:.2g}"
    )


def _summary(opened: Any, found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    plan: SearchPlan = opened.plan
    last = "fine" if "fine" in plan.stages else "coarse"
    best = ranked(plan, [row for row in rows if row["stage"] == last])
    data = opened.database.fact("data")
    return {
        "metric": plan.metric,
        "higher": plan.higher,
        "valid": data["valid"],
        "stages": dict(found),
        "share": plan.share,
        "sampler": plan.sampler,
        "pruner": plan.pruner,
        "space": space_to_data(plan.space),
        "searched": space_to_data(narrowed(plan, found.get("range"))),
        "own": own_values(plan),
        "trials": [dict(row) for row in rows],
        "best": dict(best[0]) if best else None,
        "as_it_is": next((dict(row) for row in rows if row["recipe"]), None),
    }


def _write(opened: Any, folder: RunFolder, found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    folder.write_json(folder.facts / "search.json", _summary(opened, found, rows))


def _finish(
    opened: Any, folder: RunFolder, found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Write the best recipe, the facts and the report."""
    plan: SearchPlan = opened.plan
    summary = _summary(opened, found, rows)
    best = summary["best"]
    result: dict[str, Any] = {"seconds": round(sum(row.get("seconds") or 0.0 for row in rows), 3), "trials": len(rows)}
    if best is not None:
        path = folder.path / "best.yaml"
        text = _best_text(plan, summary, folder)
        write_file(path, text.encode())
        summary |= {"text": text, "recipe": str(path), "command": f"chainrule train {shlex.quote(str(path))}"}
        result |= {"valid": best.get("metrics") or {plan.metric: best["value"]}, "best": best["name"]}
    folder.write_json(folder.facts / "search.json", summary)
    folder.update(status="finished", result=result)
    write_report(folder)
    return {"folder": str(folder.path), **summary}


def _best_text(plan: SearchPlan, summary: Mapping[str, Any], folder: RunFolder) -> str:
    """The best recipe, with what was measured at its top."""
    best, own = summary["best"], summary["as_it_is"]
    lines = [f"# Found by a search ({folder.path.name}, {best['name']}): validation {plan.metric} {best['value']:.4f}"]
    if own is not None and own["value"] is not None and not best["recipe"]:
        lines.append(f"# on {summary['valid']:,} examples; the recipe that it began with: {own['value']:.4f}.")
    recipe = best_recipe(plan, best["settings"])
    return "\n".join(lines) + "\n" + recipe.to_yaml()
