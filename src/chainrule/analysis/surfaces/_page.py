"""A comparison of optimizers for readers: tables, pictures, the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from markupsafe import Markup

from chainrule.analysis.surfaces._compare import Comparison, search_text
from chainrule.analysis.surfaces._descent import LEVELS, Path
from chainrule.analysis.surfaces._plane import heights, plane_of, window_of
from chainrule.core.version import __version__
from chainrule.draw.chart import Chart, Line, chart_html
from chainrule.draw.curve import Curve
from chainrule.draw.landscape import Landscape, Trail, landscape_html
from chainrule.draw.page import Part, page_html, render
from chainrule.draw.table import Column, Table, table_html

ENDS: Final = {
    "arrived": "arrives",
    "going": "still moving",
    "minimum": "local minimum",
    "saddle": "saddle point",
    "maximum": "maximum",
    "flat": "flat ground",
    "fell": "falls without end",
    "diverged": "diverges",
    "singular": "diverges",
}
COLUMNS: Final = (
    "90 %, 99.9 %: steps until it keeps below that share of the way down; way: how far down it is at the end."
)
MERGED: Final = "momentum, both forms"


def comparison_table(found: Comparison, *, full: bool = False) -> Table:
    """Return what the methods did as a table.

    Args:
        found: The comparison.
        full: With the lowest rate that leaves the numbers.
    """
    columns = [
        Column("method"),
        Column("rate", "number"),
        *(Column(f"{100 * share:g} %", "count") for share in LEVELS),
        Column("way", "share"),
        Column("value", "number"),
        Column("end"),
        *([Column("diverges from rate", "number")] if full else []),
    ]
    rows = []
    for path in found.paths:
        value = float(f"{path.values[-1]:.3g}")
        way = path.way if path.way is not None and path.way > 0 else None
        row = [path.method.label, path.rate, *path.steps, way, value, ENDS[path.end]]
        rows.append(row + ([path.diverging] if full else []))
    return Table(f"Optimizers on {found.surface.name}", columns, rows)


def notes(found: Comparison) -> list[str]:
    """What a reader has to know beside the table."""
    said = [f"Newton is left out: {why}." for name, why in found.left_out.items() if name == "newton"]
    if found.lowest is None:
        said.append("Some method falls without end, so there is no way to count steps along.")
    elif not found.known:
        said.append("The lowest value is the lowest that any method met at any rate.")
    if any(path.method.name == "newton" and path.end == "saddle" for path in found.paths):
        said.append(
            "Newton stops at the saddle point: its step goes to where the gradient is zero, and up along a direction "
            "in which the surface bends down."
        )
    if any(path.method.name == "newton" and (path.way or 0) < 0 for path in found.paths):
        said.append(
            "Newton goes up: where the surface bends down, its step leads away from the minimum, towards a saddle, a "
            "maximum or flat ground."
        )
    return said


def landscape_of(found: Comparison) -> Landscape:
    """Return the picture of a comparison: the plane, its heights and the paths in it."""
    plane = plane_of(found)
    window = window_of(found, plane)
    x, y, z = heights(found.surface, plane, window)
    shown = _merged(found.paths)
    return Landscape(
        key=landscape_key(found),
        title=found.surface.name,
        x=x,
        y=y,
        heights=z,
        trails=[
            Trail(label, plane.project(path.points), style, f"rate {path.rate:g}, {ENDS[path.end]}")
            for label, style, path in shown
        ],
        note=plane.about,
    )


def _merged(paths: Sequence[Path]) -> list[tuple[str, int, Path]]:
    """Label, style and path; the two forms of momentum are one where they take the same steps, as at one rate."""
    by_name = {path.method.name: path for path in paths}
    first, second = by_name.get("momentum"), by_name.get("momentum-steps")
    same = (
        first is not None
        and second is not None
        and first.points.shape == second.points.shape
        and np.allclose(first.points, second.points, rtol=1e-6, atol=1e-9 * float(np.abs(first.points).max()))
    )
    kept = [path for path in paths if not (same and path is second)]
    return [(MERGED if same and path is first else path.method.label, number, path) for number, path in enumerate(kept)]


def _descent_chart(found: Comparison) -> Markup:
    """The height above the lowest value over the steps; the value itself where the lowest is not known."""
    start = float(found.paths[0].values[0])
    known = found.known and found.lowest is not None and start > found.lowest
    bottom = found.lowest if known and found.lowest is not None else 0.0
    lines = []
    for label, style, path in _merged(found.paths):
        values = np.maximum(path.values - bottom, 1e-9 * (start - bottom)) if known else path.values
        lines.append(Line(label, Curve(label, "", np.arange(float(len(values))), values), style))
    title = "height above the lowest" if known else "value"
    chart = Chart(f"{landscape_key(found)}-descent", title, lines, log=True if known else None)
    return render("charts.html", charts=[chart_html(chart)], more=None, more_title="")


def landscape_key(found: Comparison) -> str:
    """The anchor of a comparison's section."""
    name = found.surface.name
    return name if name.replace("-", "").isalnum() and name.isascii() else "surface"


def comparison_page(several: Sequence[Comparison], *, command: str) -> str:
    """Return the page of comparisons: picture with slider, curves and table of each."""
    parts = []
    for number, found in enumerate(several):
        body = landscape_html(landscape_of(found)) + _descent_chart(found)
        body += table_html(comparison_table(found, full=True))
        for note in notes(found):
            body += Markup('<p class="note">{}</p>').format(note)
        key = landscape_key(found) + (f"-{number}" if landscape_key(found) == "surface" else "")
        parts.append(Part(key, found.surface.name, body, found.surface.about, ("B13",), ("landscape",)))
    methods = [path.method for path in several[0].paths]
    head = render(
        "head.html",
        kind="optimizers compared",
        name="Optimizers at work",
        status="",
        tone="",
        subtitle=[command],
        alarm="",
        cards=[],
    )
    lead = Markup('<p class="note">{} {}</p>')
    foot = lead.format(search_text(methods), COLUMNS) + render(
        "foot.html", absent=[], lectures=[], version=__version__, made="the formulas of the lectures"
    )
    return page_html("Optimizers at work · chainrule", head, parts, foot=foot)
