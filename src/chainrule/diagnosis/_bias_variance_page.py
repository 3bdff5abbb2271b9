"""A measurement of bias and variance for readers: table, curves with their confidence bands, the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from chainrule.core.version import __version__
from chainrule.draw.chart import Chart, Line, chart_html
from chainrule.draw.curve import Curve
from chainrule.draw.page import Part, page_html, render
from chainrule.draw.table import Column, Table, table_html

NAMES: Final = {"error": "error", "bias_squared": "bias²", "variance": "variance"}


def value_text(value: Any) -> str:
    """A value of the setting as the command line takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def measurement_table(found: Mapping[str, Any]) -> Table:
    """Return one row for each value: bias^2, variance and their sum, with half the width of the confidence interval."""
    columns = [Column(found["over"])]
    columns += [Column(text) for name in NAMES for text in (NAMES[name],)]
    columns += [Column("wrong", "share")]
    rows = [
        [value_text(point["value"]), *(_with_room(point[name]) for name in NAMES), point["wrong"]["value"]]
        for point in found["points"]
    ]
    return Table(f"Bias and variance over {found['over']}", columns, rows)


def _with_room(one: Mapping[str, float]) -> str:
    return f"{one['value']:.4f} ± {(one['high'] - one['low']) / 2:.4f}"


def how_text(found: Mapping[str, Any]) -> str:
    """How it was measured, in a sentence or two."""
    kind = "disjoint sets" if found["draw"] == "subsets" else "sets drawn with replacement"
    images = " to ".join(f"{size:,}" for size in sorted(set(found["images"])))
    return (
        f"{found['sets']} {kind} of {images} training images for each value, measured on "
        f"{found['measured_on']:,} images of the {found['part']} part: squared error of the probabilities against "
        f"one-hot. error = bias² + variance; noise of the labels counts in bias². ±: 95 % over the sets."
    )


def lowest_text(found: Mapping[str, Any]) -> str:
    """Where the error is lowest, and which part is the larger one there."""
    best = min(found["points"], key=lambda point: point["error"]["value"])
    bias, variance = best["bias_squared"]["value"], best["variance"]["value"]
    larger = "bias²" if bias > variance else "variance"
    return f"The error is lowest at {found['over']} {value_text(best['value'])}, where {larger} is the larger part."


def _places(found: Mapping[str, Any]) -> tuple[np.ndarray, str]:
    """Where the values stand on the axis: numbers by size, on a log scale where they are far apart; others in order."""
    values = [point["value"] for point in found["points"]]
    values = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in values]
    over = found["over"]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        numbers = np.array(values, dtype=np.float64)
        if numbers.min() > 0 and numbers.max() >= 20 * numbers.min():
            return np.log10(numbers), f"log10 of {over}"
        if numbers.max() < 20 * max(np.partition(numbers, min(1, len(numbers) - 1))[min(1, len(numbers) - 1)], 1e-300):
            return numbers, over
    return np.arange(len(values), dtype=np.float64), f"{over}: {', '.join(map(value_text, values))}"[:40]


def measurement_page(found: Mapping[str, Any]) -> str:
    """Return the page of a measurement: curves with bands, and the table."""
    places, label = _places(found)
    order = np.argsort(places, kind="stable")
    lines = []
    for style, (name, title) in enumerate(NAMES.items()):
        for key, suffix in (("value", ""), ("low", " low"), ("high", " high")):
            y = np.array([found["points"][i][name][key] for i in order])
            lines.append(Line(title + suffix, Curve(title + suffix, "", places[order], y), style, dashed=bool(suffix)))
    chart = chart_html(Chart("bias-variance", "squared error, and its two parts", lines, x_label=label, log=False))
    body = render("charts.html", charts=[chart], more=None, more_title="")
    head = render(
        "head.html", kind="bias and variance", name=f"{found['recipe']} over {found['over']}", status="", tone="",
        subtitle=[found.get("command") or found["folder"]], alarm="", cards=[],
    )  # fmt: skip
    parts = [
        Part("curves", "Curves", body, f"{lowest_text(found)} Dashed: the ends of the 95 % confidence band.", ("A8",)),
        Part("table", "Table", table_html(measurement_table(found)), how_text(found)),
    ]
    foot = render("foot.html", absent=[], lectures=[], version=__version__, made="the trainings in this folder")
    return page_html(f"{found['recipe']} over {found['over']} · chainrule", head, parts, foot=foot)
