"""The tables of a trace: forward, backward, leaves, through time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from chainrule.analysis.trace._result import Trace, TracedValue
from chainrule.analysis.trace._time import Recurrence
from chainrule.analysis.trace._tree import Row, halves
from chainrule.draw.table import Column, Table
from chainrule.draw.wording import number_text

LEAVES = 12
"""Leaves that are listed on a first screen."""


def shape_text(shape: Sequence[int]) -> str:
    """A shape as the notation has it.

    Example:
        >>> shape_text((1, 3, 32, 32)), shape_text(())
        ('1x3x32x32', 'scalar')
    """
    return "x".join(map(str, shape)) or "scalar"


def forward_table(trace: Trace, rows: Sequence[Row], most: int) -> Table:
    """What each row computes."""
    columns = [Column("forward"), Column("output"), Column("norm"), Column("zeros"), Column("note")]
    first, hidden, last = halves(rows, most)
    cells = [_forward(trace, row) for row in first]
    cells += [[f"... {hidden} more", "", "", "", ""]] if hidden else []
    cells += [_forward(trace, row) for row in last]
    indent = [row.depth for row in first] + [0] * bool(hidden) + [row.depth for row in last]
    return Table("forward", columns, cells, indent=indent)


def backward_table(trace: Trace, rows: Sequence[Row], most: int) -> Table:
    """The gradient at the output of each row, the last row first, with what the weights in it get."""
    columns = [Column("gradient of"), Column("norm"), Column("of its weights"), Column("arrives from")]
    back = [row for row in reversed(rows) if row.operations]
    first, hidden, last = halves(back, most)
    cells = [_backward(trace, row) for row in first]
    cells += [[f"... {hidden} more", "", "", ""]] if hidden else []
    cells += [_backward(trace, row) for row in last]
    return Table("backward", columns, cells)


def leaves_table(trace: Trace, most: int | None) -> Table | None:
    """Inputs, parameters and constants with their gradients; inputs only, where there are more than `most`."""
    leaves = [v for v in trace.values.values() if v.kind != "result" and v.kind != "buffer" and v.uses]
    if most is not None and len(leaves) > most:
        leaves = [leaf for leaf in leaves if leaf.kind == "input"][:most]
    if not leaves:
        return None
    columns = [Column("leaf"), Column("shape"), Column("norm"), Column("gradient"), Column("arrives from")]
    rows = [
        [leaf.name, shape_text(leaf.shape), _norm(leaf, "value"), _norm(leaf, "gradient"), came_from(leaf)]
        for leaf in leaves
    ]
    return Table("leaves", columns, rows)


def time_table(found: Recurrence, most: int) -> Table:
    """Step by step: the gradient of the state, the factor that leads to it, and the product up to the last step."""
    count = len(found.states)
    columns = [Column("t"), Column("|dL/dh_t|"), Column("|dh_t/dh_t-1|"), Column(f"|dh_{count}/dh_t|"), Column("")]
    products = found.products or tuple(g or 0.0 for g in found.gradients)
    bars = bars_of(products)
    rows = []
    for t in range(count):
        step = number_text(found.steps[t - 1], 3) if found.steps and t else ""
        product = number_text(found.products[t], 3) if found.products else ""
        gradient = found.gradients[t]
        rows.append([str(t + 1), "-" if gradient is None else number_text(gradient, 3), step, product, bars[t]])
    if count > most:
        half = most // 2
        rows = [*rows[:half], [f"... {count - 2 * half} more", "", "", "", ""], *rows[-half:]]
    return Table("through time", columns, rows)


def bars_of(values: Sequence[float], width: int = 14) -> list[str]:
    """Bars on a logarithmic scale, the largest value as wide as `width`, at most nine powers of ten down to nothing.

    Example:
        >>> bars_of([1.0, 0.1, 0.01, 0.0], width=4)
        ['####', '##', '#', '']
    """
    sizes = [math.log10(v) if v > 0 and math.isfinite(v) else None for v in values]
    known = [size for size in sizes if size is not None]
    if not known:
        return [""] * len(values)
    top = max(known)
    reach = min(max(top - min(known), 1.0), 9.0)
    return ["" if s is None else "#" * max(1, round(width * (1 - (top - s) / reach))) for s in sizes]


def came_from(value: TracedValue) -> str:
    """Over which paths a gradient came, each with its norm, or why there is none; without what all paths begin with."""
    if value.gradient is None:
        return value.why
    sources = [each.source for each in value.arrivals]
    folders = [name.split(".")[:-1] for name in sources if "." in name]
    shared = itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*folders))
    prefix = "".join(f"{parts[0]}." for parts in shared)
    paths = [
        f"{each.source.removeprefix(prefix)} {number_text(each.gradient.norm, 3)}" for each in value.arrivals
    ]  # fmt: skip
    shown = paths if len(paths) <= 4 else [*paths[:2], f"{len(paths) - 2} more"]
    return " + ".join(shown)


def _forward(trace: Trace, row: Row) -> list[str]:
    if not row.output:
        return [row.label, "", "", "", ""]
    value = trace.values[row.output]
    shapes = " ".join(shape_text(trace.values[name].shape) for name in row.operations[-1].outputs[:3])
    zeros = "" if value.value is None or not value.value.zeros else f"{100 * value.value.zeros:.0f} %"
    notes = [o.note for o in row.operations if o.note]
    count = f"{len(row.operations)} operations" if len(row.operations) > 1 else ""
    odd = [note for note in dict.fromkeys(notes) if len(row.operations) == 1 or note.startswith("detached")]
    return [row.label, shapes, _norm(value, "value"), zeros, ", ".join(filter(None, [count, *odd]))]


def _backward(trace: Trace, row: Row) -> list[str]:
    value = trace.values[row.output]
    return [row.name, _norm(value, "gradient"), weights_text(trace, row), came_from(value)]


def weights_text(trace: Trace, row: Row) -> str:
    """The norm of what a row's operations add to the gradients of their weights; empty where it is not known."""
    names = dict.fromkeys(name for operation in row.operations for name in operation.inputs)
    weights = [trace.values[name] for name in names if trace.values[name].kind == "parameter"]
    own = [_sent_by(weight, {operation.name for operation in row.operations}) for weight in weights]
    known = [norm for norm in own if norm is not None]
    return number_text(math.hypot(*known)) if known and len(known) == len(own) else ""


def _sent_by(weight: TracedValue, operations: set[str]) -> float | None:
    """The norm of what these operations add to a weight's gradient; None where it is not known (or is none)."""
    if weight.gradient is None:
        return None
    sent = [each.gradient.norm for each in weight.arrivals if each.source in operations]
    if len(sent) == len(weight.arrivals):
        return weight.gradient.norm
    return sent[0] if len(sent) == 1 else None


def _norm(value: TracedValue, which: str) -> str:
    found = value.value if which == "value" else value.gradient
    return "-" if found is None or found.norm is None else number_text(found.norm)
