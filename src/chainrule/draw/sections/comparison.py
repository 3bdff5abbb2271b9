"""Several runs beside each other: results, curves over each other, and what their recipes do differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chainrule.core.errors import RecipeError
from chainrule.core.strict_yaml import parse_yaml
from chainrule.draw.chart import Chart, Line, chart_html
from chainrule.draw.curve import Curve, curves, softened, wants_smoothing
from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.sections.data import flat_pairs
from chainrule.draw.sections.history import MOST_CHARTS, TITLES, is_share, last_value, ordered
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import mapping, real, whole

MOST_SETTINGS: Final = 200
CROWDED: Final = 5
"""With more runs, a chart has one line for each."""


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


def results_part(runs: Sequence[Facts], *, labels: Sequence[str] | None = None) -> Part:
    """Return the results of all runs in one table; the best of a column stands out."""
    lead = "The best of each column is bold."
    if any(run.run.get("seeds") for run in runs):
        lead += " Of a recipe trained with several seeds: the mean, and the deviation of one run's accuracy."
    return Part("results", "Results", table_html(results_table(runs, labels=labels)), lead)


def results_table(runs: Sequence[Facts], *, labels: Sequence[str] | None = None) -> Table:
    """Return the results of several runs as a table.

    Args:
        runs: The runs; repeated ones as `as_one_run` gives them.
        labels: What they are called; `run_labels` when left out.

    Example:
        >>> from pathlib import Path
        >>> run = Facts(Path("a"), {"name": "cnn", "result": {"valid": {"accuracy": 0.9}, "steps": 10}})
        >>> results_table([run]).rows
        [['cnn', 'unknown', 0.9, 10]]
    """
    columns = [
        Column("seeds", "count"),
        Column("test accuracy", "share", best="high"),
        Column("test deviation", "percent"),
        Column("test loss", "number", best="low"),
        Column("validation accuracy", "share", best="high"),
        Column("validation deviation", "percent"),
        Column("validation loss", "number", best="low"),
        Column("parameters", "count"),
        Column("steps", "count"),
        Column("best step", "count"),
        Column("time", "duration"),
    ]
    values = [_results(run) for run in runs]
    kept = [number for number in range(len(columns)) if any(row[number] is not None for row in values)]
    return Table(
        "Results",
        [Column("run"), Column("status"), *(columns[number] for number in kept)],
        [
            [label, run.status, *(row[number] for number in kept)]
            for label, run, row in zip(labels or run_labels(runs), runs, values, strict=True)
        ],
        sortable=True,
    )


def _results(run: Facts) -> list[Any]:
    result = mapping(run.run.get("result"))
    row: list[Any] = [whole(run.run.get("seeds"))]
    for part in ("test", "valid"):
        measured = {**mapping(run.evaluation.get(part)), **mapping(result.get(part))}
        for name in ("accuracy", "deviation", "loss"):
            value = measured.get(name)
            row.append(value if real(value) is not None or name == "deviation" else last_value(run, name, part))
    others = (run.run.get("parameters"), result.get("steps"), result.get("best_step"), result.get("seconds"))
    return row + [value if real(value) is not None else None for value in others]


def overlay_part(runs: Sequence[Facts], *, labels: Sequence[str] | None = None) -> Part | Absent:
    """Return the curves of all runs, one chart a quantity: validation where it was logged, training dashed."""
    labels = labels or run_labels(runs)
    found = [curves(run.metrics) for run in runs]
    names = ordered({name: [] for one in found for name in one})[:MOST_CHARTS]
    if not names:
        return Absent("Curves", "none of the runs logged a number")
    charts = []
    for number, name in enumerate(names):
        lines = [
            line
            for place, (label, one) in enumerate(zip(labels, found, strict=True))
            for line in _lines(label, one.get(name, []), place, crowded=len(runs) > CROWDED)
        ]
        share = is_share(name, [line.curve for line in lines])
        charts.append(chart_html(Chart(f"metric-{number}", TITLES.get(name, name), lines, share=share)))
    body = render("charts.html", charts=charts, more="", more_title="")
    lead = "One color a run; full lines are validation, dashed ones training."
    if len(runs) > CROWDED:
        lead = "One color or dash a run; validation where it was logged, else training."
    return Part("curves", "Curves", body, lead, ("B12",))


def _lines(label: str, found: Sequence[Curve], place: int, *, crowded: bool) -> list[Line]:
    measured = [curve for curve in found if curve.part in ("valid", "test")]
    if crowded and measured:
        return [Line(label, measured[0], place)]
    return [
        Line(
            f"{label} · {curve.part}" if len(found) > 1 else label,
            softened(curve) if wants_smoothing(curve) else curve,  # the noise of one run would hide the next
            place,
            dashed=bool(measured) and curve.part not in ("valid", "test"),
        )
        for curve in found
    ]


def differences_part(runs: Sequence[Facts]) -> Part | Absent:
    """Return the settings in which the recipes differ."""
    found = {label: _settings(run) for label, run in zip(run_labels(runs), runs, strict=True)}
    known = {label: one for label, one in found.items() if one}
    if len(known) < 2:
        return Absent("Differences", "fewer than two of the runs have a recipe that can be read")
    settings = list(known.values())
    names = list(dict.fromkeys(name for one in settings for name in one))
    rows = [
        [name, *(one.get(name) for one in settings)] for name in names if len({one.get(name) for one in settings}) > 1
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


def _settings(run: Facts) -> dict[str, str]:
    try:
        data = parse_yaml(run.recipe or "")
    except RecipeError:
        return {}
    return {name.replace(" ", "."): value for name, value in flat_pairs(data)} if isinstance(data, Mapping) else {}
