"""A trace as a page, and as it shows itself in a notebook."""

from __future__ import annotations

from html import escape

import numpy as np
from markupsafe import Markup

from chainrule.analysis.trace._depth import Depth
from chainrule.analysis.trace._picture import graph_rows, trace_svg
from chainrule.analysis.trace._result import Trace
from chainrule.analysis.trace._tables import backward_table, forward_table, leaves_table, time_table
from chainrule.analysis.trace._text import headline
from chainrule.analysis.trace._time import Recurrence
from chainrule.analysis.trace._tree import rows_of, shown_operations
from chainrule.core.version import __version__
from chainrule.draw.chart import Chart, Line, chart_html
from chainrule.draw.curve import Curve
from chainrule.draw.page import Part, page_html, render
from chainrule.draw.table import Table, table_html

LISTED = 2000
"""Rows of a table in a page."""
ALL = 49
"""Deeper than modules go."""


def trace_page(trace: Trace, *, command: str = "") -> str:
    """Return a page: graph, forward, backward, leaves, through depth and through time."""
    rows = rows_of(trace, ALL)
    parts = [Part("graph", "Graph", _graph(trace), _lead(trace), ("C1", "C2"))]
    for number, found in enumerate(trace.recurrences):
        parts.append(
            Part(f"time-{number}", f"Through time: {found.weights}", _time(found, number), found.words, ("C9",))
        )
    if trace.depth is not None:
        parts.append(Part("depth", "Through depth", _depth(trace.depth), trace.depth.words, ("C9",)))
    forward = table_html(forward_table(trace, rows, LISTED))
    backward = table_html(backward_table(trace, rows, LISTED))
    parts.append(Part("forward", "Forward", forward, "Operations in their order, modules indented."))
    parts.append(Part("backward", "Backward", backward, f"It starts from {trace.started}."))
    leaves = leaves_table(trace, None)
    if leaves is not None:
        parts.append(Part("leaves", "Leaves", table_html(leaves), "Inputs, parameters, constants."))
    head = render(
        "head.html",
        kind="backpropagation",
        name=trace.what,
        status="",
        tone="",
        subtitle=[headline(trace), *([command] if command else [])],
        alarm=next((note for note in trace.notes if "detached" in note or "NaN" in note), ""),
        cards=[],
    )
    notes = Markup("").join(Markup('<p class="note">{}</p>').format(note) for note in trace.notes)
    foot = notes + render(
        "foot.html", absent=[], lectures=[], version=__version__, made="one call forward and backward"
    )
    return page_html(f"{trace.what} · chainrule", head, parts, foot=foot)


def trace_notebook(trace: Trace) -> str:
    """Return what a notebook shows: the graph and the first screen's tables."""
    rows = rows_of(trace)
    tables = [forward_table(trace, rows, len(rows) + 1), backward_table(trace, rows, len(rows) + 1)]
    tables += [time_table(found, 24) for found in trace.recurrences]
    words = [found.words for found in trace.recurrences] + ([trace.depth.words] if trace.depth else [])
    said = "".join(f"<p>{escape(line)}</p>" for line in [f"backward starts from {trace.started}", *words, *trace.notes])
    picture = f'<div style="max-height:40em;overflow:auto">{trace.svg()}</div>'
    graph = f"<details open><summary>graph</summary>{picture}</details>"
    return f"<p><b>{escape(headline(trace))}</b></p>{said}{''.join(map(_simple, tables))}{graph}"


def _lead(trace: Trace) -> str:
    boxes, count = len(graph_rows(trace)), len(shown_operations(trace))
    folded = f" {count:,} operations in {boxes} boxes: modules are folded." if boxes < count else ""
    return f"Beside each arrow the norm of the value (first) and that of the gradient over it.{folded}"


def _graph(trace: Trace) -> Markup:
    return Markup('<div class="scroll" tabindex="0" role="region" aria-label="graph">{}</div>').format(
        trace_svg(trace, standalone=False)
    )


def _time(found: Recurrence, number: int) -> Markup:
    count = len(found.states)
    steps = np.arange(1.0, count + 1)
    lines = []
    if found.products:
        lines.append(_line(f"|dh_{count}/dh_t|", steps, np.array(found.products), 0))
        lines.append(_line("|dh_t/dh_t-1|", steps[1:], np.array(found.steps), 2))
    gradients = np.array([np.nan if g is None else g for g in found.gradients])
    lines.append(_line("|dL/dh_t|", steps, gradients, 1))
    chart = Chart(f"time-{number}-chart", "Size", lines, x_label="t", log=True)
    note = Markup('<p class="note">Jacobians {}.</p>').format(found.part) if found.part else Markup()
    return (
        render("charts.html", charts=[chart_html(chart)], more=None, more_title="")
        + note
        + table_html(time_table(found, 100))
    )


def _depth(depth: Depth) -> Markup:
    places = np.arange(1.0, len(depth.layers) + 1)
    lines = [_line("of the output", places, np.array([layer.gradient for layer in depth.layers]), 0)]
    weights = np.array([np.nan if layer.weights is None else layer.weights for layer in depth.layers])
    lines.append(_line("of the weights", places, weights, 1))
    chart = Chart("depth-chart", "Norm of the gradient", lines, x_label="layer with weights", log=True)
    return render("charts.html", charts=[chart_html(chart)], more=None, more_title="")


def _line(label: str, x: np.ndarray, y: np.ndarray, style: int) -> Line:
    return Line(label, Curve(label, "", x, y.astype(np.float64)), style)


def _simple(table: Table) -> str:
    """A table without a style of its own."""
    heads = "".join(
        f"<th style='text-align:left;padding-left:0.5em'>{escape(column.title)}</th>" for column in table.columns
    )
    body = ""
    for row, depth in zip(table.rows, table.indent or [0] * len(table.rows)):
        cells = "".join(
            f"<td style='text-align:left;padding-left:{1.2 * depth * (i == 0) + 0.5:.1f}em'>{escape(str(cell))}</td>"
            for i, cell in enumerate(row)
        )
        body += f"<tr>{cells}</tr>"
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
