"""Several runs beside each other: results, curves over each other, and what their recipes do differently."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np

from chainrule.core.figures import FIGURES, Figure, main_figure
from chainrule.draw.chart import Chart, Line, chart_html
from chainrule.draw.curve import Curve, curves, softened, wants_smoothing
from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.palette import DASHES, PALETTES
from chainrule.draw.sections.history import MOST_CHARTS, TITLES, is_share, last_value, ordered
from chainrule.draw.sections.settings import settings
from chainrule.draw.table import Column, Kind, Table, table_html
from chainrule.draw.wording import listing, mapping, real, whole

MOST_SETTINGS: Final = 200

_PARTS: Final = {"train": "Training", "valid": "Validation", "test": "Test", "": ""}
_ERRORS: Final = {"accuracy": "Error", "top5": "Top-5 error"}


def run_labels(runs: Sequence[Facts]) -> list[str]:
    """Return a name for each run that no other has: its own, with its folder or number where that is needed.

    Example:
        >>> from pathlib import Path
        >>> run_labels([Facts(Path("a"), {"name": "cnn"}), Facts(Path("b"), {"name": "cnn"})])
        ['cnn (a)', 'cnn (b)']
    """
    labels = [run.name for run in runs]
    if len(set(labels)) < len(labels):
        folders = [f"{run.name} ({run.folder.name})" if run.folder.name != run.name else run.name for run in runs]
        labels = [folder if labels.count(label) > 1 else label for label, folder in zip(labels, folders, strict=True)]
    if len(set(labels)) < len(labels):
        labels = [f"{number}: {label}" for number, label in enumerate(labels, 1)]
    return labels


def line_styles(labels: Sequence[str]) -> list[int]:
    """Return the number of each run's color and dash: one color for labels that differ in a last number alone.

    So plain-20 and plain-56 have one color and two dashes. Where labels make no such families, or more than colors and
    dashes can tell apart, the runs are counted through.

    Example:
        >>> line_styles(["plain-20", "plain-56", "residual-20"]), line_styles(["seed 0", "seed 1"])
        ([0, 6, 1], [0, 1])
    """
    families: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        match = re.fullmatch(r"(.*?)[-_ ]?\d+(\.\d+)?", label)
        families.setdefault(match[1] if match else label, []).append(place)
    colors = len(PALETTES["light"].series)
    largest = max(map(len, families.values()), default=0)
    if not 1 < len(families) <= colors or not 1 < largest <= len(DASHES):
        return list(range(len(labels)))
    styles = {
        place: family + colors * rank
        for family, places in enumerate(families.values())
        for rank, place in enumerate(places)
    }
    return [styles[place] for place in range(len(labels))]


def results_part(runs: Sequence[Facts], *, labels: Sequence[str] | None = None) -> Part:
    """Return the results of all runs in one table; the best of a column stands out."""
    lead = "The best of each column is bold."
    if any(_training_accuracy(run) is not None for run in runs):
        lead += " Training accuracy: mean of the last epoch while training, with its augmentation and dropout."
    if any(run.run.get("seeds") for run in runs):
        lead += " Of a recipe trained with several seeds: the mean, and the deviation of one run's accuracy."
    return Part("results", "Results", table_html(results_table(runs, labels=labels)), lead)


def results_table(runs: Sequence[Facts], *, labels: Sequence[str] | None = None) -> Table:
    """Return the results of several runs as a table; their status stands in it unless all are finished.

    Args:
        runs: The runs; repeated ones as `as_one_run` gives them.
        labels: What they are called; `run_labels` when left out.

    Example:
        >>> from pathlib import Path
        >>> run = Facts(Path("a"), {"name": "cnn", "result": {"valid": {"accuracy": 0.9}, "steps": 10}})
        >>> results_table([run]).rows
        [['cnn', 'unknown', 0.9, 10]]
    """
    figure = _judged_by(runs)
    kind: Kind = "share" if figure.is_share else "number"
    best: Literal["high", "low"] = "high" if figure.higher else "low"
    columns = [
        Column("seeds", "count"),
        Column(f"test {figure.words}", kind, best=best),
        Column("test deviation", "percent" if figure.is_share else "number"),
        Column(f"validation {figure.words}", kind, best=best),
        Column("validation deviation", "percent" if figure.is_share else "number"),
        Column("training accuracy", "share", best="high"),
        Column("parameters", "count"),
        Column("multiply-adds", "count"),
        Column("steps", "count"),
        Column("time", "duration"),
        Column("test loss", "number", best="low"),
        Column("validation loss", "number", best="low"),
        Column("best step", "count"),
    ]
    values = [_results(run, figure) for run in runs]
    finished = all(run.status == "finished" for run in runs)
    kept = [number for number in range(len(columns)) if any(row[number] is not None for row in values)]
    return Table(
        "Results",
        [Column("run"), *([] if finished else [Column("status")]), *(columns[number] for number in kept)],
        [
            [label, *([] if finished else [run.status]), *(row[number] for number in kept)]
            for label, run, row in zip(labels or run_labels(runs), runs, values, strict=True)
        ],
        sortable=True,
    )


def _judged_by(runs: Sequence[Facts]) -> Figure:
    """By which figure all of them can be compared: accuracy where nothing else is known."""
    every = [measured for run in runs for part in ("test", "valid") if (measured := _measured(run, part))]
    figure = main_figure(*every)
    return FIGURES["accuracy"] if figure is None or figure.metric == "loss" else figure  # there is a column of losses


def _measured(run: Facts, part: str) -> dict[str, Any]:
    return {**mapping(run.evaluation.get(part)), **mapping(mapping(run.run.get("result")).get(part))}


def _results(run: Facts, figure: Figure) -> list[Any]:
    result = mapping(run.run.get("result"))
    found: dict[tuple[str, str], Any] = {}
    for part in ("test", "valid"):
        measured = _measured(run, part)
        for name in (figure.metric, "deviation", "loss"):
            value = measured.get(name)
            known = real(value) is not None or name == "deviation"
            found[part, name] = value if known else last_value(run, name, part)
    row: list[Any] = [whole(run.run.get("seeds"))]
    row += [found[part, name] for part in ("test", "valid") for name in (figure.metric, "deviation")]
    row += [_training_accuracy(run), run.run.get("parameters"), multiply_adds(run)]
    row += [result.get("steps"), result.get("seconds"), found["test", "loss"], found["valid", "loss"]]
    return [value if real(value) is not None else None for value in [*row, result.get("best_step")]]


def multiply_adds(run: Facts) -> int | None:
    """Return the multiply-adds of a run's network for one example; None where its layers were not written down."""
    counts = [whole(mapping(row).get("multiply_adds")) for row in listing(run.network)]
    return sum(count for count in counts if count is not None) or None


def _training_accuracy(run: Facts) -> float | None:
    """The mean accuracy of the training batches of the last epoch."""
    lines = [line for line in map(mapping, run.metrics) if line.get("part") == "train"]
    last = [
        value
        for line in lines
        if line.get("epoch") == lines[-1].get("epoch") and (value := real(line.get("accuracy"))) is not None
    ]
    return statistics.fmean(last) if last else None


def overlay_part(runs: Sequence[Facts], *, labels: Sequence[str] | None = None) -> Part | Absent:
    """Return the curves of all runs: one chart for each quantity of each part of the data, accuracies as errors.

    What is the same in all runs, as the learning rate often is, is named and not drawn.
    """
    labels = labels or run_labels(runs)
    styles = line_styles(labels)
    found = [curves(run.metrics) for run in runs]
    every = {(curve.name, curve.part): None for one in found for several in one.values() for curve in several}
    if not every:
        return Absent("Curves", "none of the runs logged a number")
    charts: list[Chart] = []
    same: list[str] = []
    for name in ordered({name: [] for name, _ in every}, first=("accuracy", "top5", "loss")):
        parts = sorted((part for known, part in every if known == name), key=_rank)
        for part in parts:
            lines = [
                Line(label, curve, style)
                for label, style, one in zip(labels, styles, found, strict=True)
                for curve in one.get(name, [])
                if curve.part == part
            ]
            share = is_share(name, [line.curve for line in lines])
            error = share and name in _ERRORS
            title = _title(_ERRORS[name] if error else TITLES.get(name, name), part, alone=len(parts) == 1)
            if len(lines) == len(runs) > 1 and all(_equal(line.curve, lines[0].curve) for line in lines):
                same.append(title[:1].lower() + title[1:])
                continue
            drawn = [replace(line, curve=_calm(_error(line.curve) if error else line.curve)) for line in lines]
            charts.append(Chart(f"metric-{len(charts)}", title, drawn, share=share))
    body = render("charts.html", charts=[chart_html(chart) for chart in charts[:MOST_CHARTS]], more="", more_title="")
    families = max(styles) >= len(labels)
    lead = ["One color a family of runs, one dash a member." if families else "One color or dash a run."]
    lead += ["Error: 1 - accuracy. Noisy curves are smoothed."]
    lead += [f"The same in all runs: {', '.join(same[:12])}."] if same else []
    return Part("curves", "Curves", body, " ".join(lead), ("B12",))


def _title(title: str, part: str, *, alone: bool) -> str:
    """With the part of the data, unless it is of the training alone, as a rate is."""
    if alone and part not in ("valid", "test"):
        return title
    return f"{_PARTS.get(part, part)} {title[:1].lower() + title[1:]}".strip()


def _equal(first: Curve, second: Curve) -> bool:
    return np.array_equal(first.x, second.x) and np.array_equal(first.y, second.y, equal_nan=True)


def _rank(part: str) -> int:
    order = [*_PARTS, part]
    return order.index(part)


def _calm(curve: Curve) -> Curve:
    """Without its noise, which would hide the next run."""
    return softened(curve) if wants_smoothing(curve, least=20) else curve


def _error(curve: Curve) -> Curve:
    return replace(curve, name="error", y=1 - curve.y)


def differences_part(runs: Sequence[Facts], *, labels: Sequence[str] | None = None) -> Part | Absent:
    """Return the settings in which the recipes differ."""
    found = {label: settings(run) for label, run in zip(labels or run_labels(runs), runs, strict=True)}
    known = {label: one for label, one in found.items() if one}
    if len(known) < 2:
        return Absent("Differences", "fewer than two of the runs have a recipe that can be read")
    recipes = list(known.values())
    names = list(dict.fromkeys(name for one in recipes for name in one))
    rows = [
        [name, *(one.get(name) for one in recipes)] for name in names if len({one.get(name) for one in recipes}) > 1
    ][:MOST_SETTINGS]
    if not rows:
        return Absent("Differences", "the recipes of these runs are the same")
    columns = [Column("setting"), *(Column(label) for label in known)]
    return Part(
        "differences",
        "Differences",
        table_html(Table("Differences", columns, rows)),
        "Settings in which the recipes differ.",
    )
