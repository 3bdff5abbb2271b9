"""`chainrule runs`: list, show, compare or remove runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import CheckpointError, UsageError, unknown
from chainrule.core.figures import main_figure
from chainrule.core.log import warn

ACTIONS = ("list", "show", "compare", "remove")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("action", nargs="?", default="list", metavar="list|show|compare|remove", help="what to do")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="run folders (list: a folder of runs, default ./runs)")


def run(args: argparse.Namespace) -> Answer:
    """Do what was asked."""
    if args.action not in ACTIONS:
        raise UsageError(
            f'there is no action "{args.action}" of `runs`', remedy=unknown("action", args.action, ACTIONS)
        )
    if args.action != "list" and not args.runs:
        raise UsageError(f"`runs {args.action}` needs a run folder")
    return {"list": _list, "show": _show, "compare": _compare, "remove": _remove}[args.action](args.runs)


def _list(folders: list[str]) -> Answer:
    from chainrule.core.folder import find_runs

    found = [folder for parent in folders or ["runs"] for folder in find_runs(Path(parent))]
    rows = [row for folder in found if (row := _row_or_warning(folder)) is not None]
    if not rows:
        return Answer([], f"no runs in {', '.join(folders or ['runs'])}; `chainrule demo` makes one")
    return Answer(rows, _table(rows))


def _show(runs: list[str]) -> Answer:
    from chainrule.core.folder import RunFolder, find_runs

    data = [{"run": path, **RunFolder(Path(path)).info()} for path in runs]
    blocks = []
    for info in data:
        environment = info.get("environment") or {}
        lines = [f"{info['run']}: {info['name']}, {info['status']}"]
        lines += [f"  {part:<6} {_metrics(values)}" for part, values in _parts(info)]
        lines += [f"  {key:<10} {info[key]}" for key in ("command", "created", "parameters", "resumed") if key in info]
        if info["kind"] in ("repeats", "ensemble", "study", "search"):
            parent = Path(info["run"]) / ("trials" if info["kind"] == "search" else "")
            inside = [(one.path.relative_to(info["run"]).as_posix(), one) for one in find_runs(parent)]
            width = max([10, *(len(name) for name, _ in inside)])
            lines += [f"  {name:<{width}} {_line_of(one)}" for name, one in inside]
        lines += [
            f"  with       torch {environment.get('torch')}, {environment.get('threads')} threads, "
            f"{environment.get('cpu')}"
        ]
        blocks.append("\n".join(lines))
    return Answer(data, "\n".join(blocks))


def _compare(runs: list[str]) -> Answer:
    from chainrule.core.folder import RunFolder

    folders = [RunFolder(Path(path)) for path in runs]
    if len(folders) == 1:
        folders = _inside(folders[0]) or folders
    if len(folders) < 2:
        raise UsageError("`runs compare` needs at least two run folders")
    rows = [_row(folder) for folder in folders]
    recipes = [_flat(folder) for folder in folders]
    keys = sorted({key for recipe in recipes for key in recipe})
    differing = {key: [r.get(key) for r in recipes] for key in keys if len({repr(r.get(key)) for r in recipes}) > 1}
    from rich.console import Group
    from rich.table import Table

    table = Table(
        "setting", *[folder.path.name for folder in folders], title="what differs", title_justify="left", box=None
    )
    for key, values in differing.items():
        table.add_row(key, *["" if value is None else str(value) for value in values])
    return Answer(
        {"runs": rows, "differing": differing}, Group(_table(rows), "", table if differing else "equal recipes")
    )


MOST_COMPARED = 8
"""Trials of a search that are compared, the best ones."""


def _inside(folder: Any) -> list[Any]:
    """What is compared in one folder of several runs: seeds of a recipe, recipes of a study, the best of a search."""
    from chainrule.core.folder import RunFolder, find_runs
    from chainrule.core.study import is_label

    info = folder.info()
    if info["kind"] == "study":
        places = [folder.path / label for label in info["members"] if is_label(label)]
        return [RunFolder(place) for place in places if (place / "run.json").is_file()]
    if info["kind"] == "search":
        found = folder.read_json(folder.facts / "search.json") or {}
        done = [row for row in found.get("trials", []) if row.get("value") is not None and is_label(row.get("name"))]
        done.sort(key=lambda row: (row["stage"] != "fine", -row["value"] if found["higher"] else row["value"]))
        places = [folder.path / "trials" / row["name"] for row in done]
        return [RunFolder(place) for place in places if (place / "run.json").is_file()][:MOST_COMPARED]
    return list(find_runs(folder.path)) if info["kind"] in ("repeats", "ensemble") else []


def _remove(runs: list[str]) -> Answer:
    from chainrule.core.folder import RunFolder
    from chainrule.core.store import remove_folder

    for path in runs:
        RunFolder(Path(path)).info()
    for path in runs:
        remove_folder(path)
    return Answer({"removed": runs}, "\n".join(f"removed {path}" for path in runs))


def _row_or_warning(folder: Any) -> dict[str, Any] | None:
    """The row of a run; a damaged one is named and does not hide the others."""
    try:
        return _row(folder)
    except CheckpointError as error:
        warn(str(error))
        return None


def _row(folder: Any) -> dict[str, Any]:
    info = folder.info()
    row = {
        "run": str(folder.path),
        "name": info.get("name"),
        "kind": info.get("kind"),
        "status": info.get("status"),
        "created": info.get("created"),
    }
    for part, values in _parts(info):
        figure = main_figure(values)
        if figure is None:
            continue
        value = values[figure.metric]
        row |= {part: value["mean"] if isinstance(value, dict) else value, "metric": figure.metric}
        if isinstance(value, dict):
            row[f"{part}_deviation"] = value["deviation"]
            row["seeds"] = len(value["values"])
    return row


def _line_of(folder: Any) -> str:
    """How one of several runs stands; a damaged one is named and does not hide the others."""
    try:
        info = folder.info()
    except CheckpointError as error:
        return str(error)
    return "  ".join([info["status"], *(f"{part} {_metrics(values)}" for part, values in _parts(info))])


def _parts(info: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    result = info.get("result") or {}
    return [(part, result[part]) for part in ("valid", "test") if result.get(part)]


def _metrics(values: dict[str, Any]) -> str:
    return "  ".join(f"{name} {text}" for name, value in sorted(values.items()) if (text := _number(value)))


def _number(value: Any) -> str:
    """One number, or of repeated runs the mean, the deviation, and from where to where."""
    if isinstance(value, dict):
        reach = f"{value['minimum']:.4f} to {value['maximum']:.4f}"
        return f"{value['mean']:.4f} ± {value['deviation']:.4f} ({reach}, n = {len(value['values'])})"
    return f"{value:.4f}" if isinstance(value, float) else ""


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Column, Table

    run = Column("run", overflow="fold")  # a path that is cut short cannot be given to the next command
    metrics = {row["metric"] for row in rows if "metric" in row} or {"accuracy"}
    alone = f" {metrics.pop()}" if len(metrics) == 1 else ""  # else each row says its own
    table = Table(run, "recipe", "status", f"valid{alone}", f"test{alone}", *([] if alone else ["metric"]), box=None)
    for row in rows:
        numbers = [_cell(row.get(part), row.get(f"{part}_deviation")) for part in ("valid", "test")]
        table.add_row(row["run"], row["name"], row["status"], *numbers, *([] if alone else [row.get("metric", "")]))
    return table


def _cell(value: Any, deviation: Any) -> str:
    spread = f" ± {deviation:.4f}" if isinstance(deviation, float) else ""
    return f"{value:.4f}{spread}" if isinstance(value, float) else ""


def _flat(folder: Any) -> dict[str, Any]:
    from chainrule.core.settings import read_recipe

    if not folder.recipe.is_file():
        return {}
    data = read_recipe(folder.recipe)
    sections = {key: value if isinstance(value, dict) else {"": value} for key, value in data.items()}
    return {f"{key}.{name}".rstrip("."): value for key, values in sections.items() for name, value in values.items()}
