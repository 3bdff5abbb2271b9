"""The graph of a trace: operations as boxes, values as arrows with their norm and that of their gradient."""

from __future__ import annotations

from markupsafe import Markup

from chainrule.analysis.trace._result import Trace, TracedValue
from chainrule.analysis.trace._tables import shape_text, weights_text
from chainrule.analysis.trace._tree import Row, rows_of
from chainrule.draw.graph import GraphEdge, GraphNode, graph_svg
from chainrule.draw.wording import number_text

BOXES = 150
"""A graph with more can be read by nobody: modules are folded until it has fewer."""

ENDS = 15
"""Boxes at both ends of a long loop."""


def trace_svg(trace: Trace, *, standalone: bool = True) -> Markup:
    """Return the graph as SVG: beside each arrow the norm of the value, and that of its gradient.

    What operations use of weights stands in their boxes.
    """
    rows = graph_rows(trace)
    at = {operation.name: number for number, row in enumerate(rows) for operation in row.operations}
    leaves = [
        value
        for value in trace.values.values()
        if not value.operation and value.kind in ("input", "constant") and any(use in at for use in value.uses)
    ]
    nodes = [_leaf(value) for value in leaves]
    nodes += [_box(trace, number, row) for number, row in enumerate(rows)]
    edges = [edge for value in leaves for edge in _arrows(value, value.name, at)]
    for value in trace.values.values():
        if value.operation in at:
            edges += _arrows(value, f"#{at[value.operation]}", at)
    return graph_svg(
        nodes,
        edges,
        caption=f"Graph of {trace.what}: norms of values and of gradients",
        direction="down",
        standalone=standalone,
    )


def graph_rows(trace: Trace) -> list[Row]:
    """What has a box: operations where they are few, else modules; the middle of a long chain is one box."""
    depth, best = 49, [row for row in rows_of(trace, 49) if row.operations]
    while len(best) > BOXES and depth > 0:
        depth = min(depth - 1, 8)
        best = [row for row in rows_of(trace, depth) if row.operations]
    if len(best) <= BOXES:
        return best
    middle = best[ENDS:-ENDS]
    folded = tuple(operation for row in middle for operation in row.operations)
    return [*best[:ENDS], Row(f"... {len(folded)} operations", "", 0, folded), *best[-ENDS:]]


def _leaf(value: TracedValue) -> GraphNode:
    return GraphNode(
        key=value.name,
        lines=(value.name, shape_text(value.shape)),
        round=True,
        quiet=value.kind != "input",
        title=value.why or f"{value.kind}, {value.dtype}",
    )


def _box(trace: Trace, number: int, row: Row) -> GraphNode:
    lines = [row.name or row.label]
    if row.output:
        lines.append(shape_text(trace.values[row.output].shape))
    if own := weights_text(trace, row):
        lines.append(f"weights' gradient {own}")
    notes = [operation.note for operation in row.operations if operation.note.startswith("detached")]
    module = len(row.operations) > 1
    return GraphNode(
        key=f"#{number}",
        lines=[*lines, *notes[:1]],
        tone=1 if notes else 0 if module else None,
        title=f"{len(row.operations)} operations" if module else row.operations[0].function,
    )


def _arrows(value: TracedValue, source: str, at: dict[str, int]) -> list[GraphEdge]:
    targets = dict.fromkeys(f"#{at[use]}" for use in value.uses if use in at)
    above = "" if value.value is None or value.value.norm is None else number_text(value.value.norm, 3)
    shares = _shares(value, at)
    edges = []
    for target in targets:
        if target == source:
            continue
        below = number_text(value.gradient.norm, 3) if value.gradient and value.gradient.norm is not None else ""
        edges.append(GraphEdge(source, target, above, shares.get(target, below), value.name))
    return edges


def _shares(value: TracedValue, at: dict[str, int]) -> dict[str, str]:
    """Where a gradient arrives over several paths: what comes over the one from each box."""
    found: dict[str, list[float]] = {}
    for each in value.arrivals:
        if each.source in at:
            found.setdefault(f"#{at[each.source]}", []).append(each.gradient.norm or 0.0)
    return {box: " + ".join(number_text(norm, 3) for norm in norms[:3]) for box, norms in found.items()}
