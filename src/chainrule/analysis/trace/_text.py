"""A trace in the terminal: forward, backward, through depth and time, notes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chainrule.analysis.trace._result import Trace, TracedOperation
from chainrule.analysis.trace._tables import (
    LEAVES,
    backward_table,
    came_from,
    forward_table,
    leaves_table,
    shape_text,
    time_table,
)
from chainrule.analysis.trace._tree import ROWS, rows_of, shown_operations
from chainrule.draw.table import Table, table_text
from chainrule.draw.wording import number_text, plain_text

NAME = 34
"""Letters of a name that is not broken."""
STEPS = 12
"""Steps of time that are listed."""


def trace_text(trace: Trace, depth: int | None = None) -> Iterator[Any]:
    """What rich prints: sentences and tables.

    Args:
        trace: What is shown.
        depth: How far modules are opened; as far as one screen allows when None, everything is listed when given.
    """
    from rich.padding import Padding
    from rich.text import Text

    rows = rows_of(trace, depth)
    most = ROWS if depth is None else len(rows) + 1
    yield Text(plain_text(headline(trace)), style="bold")
    yield Text(plain_text(f"backward starts from {trace.started}"))
    for verdict in _verdicts(trace):
        yield Text(plain_text(verdict))
    yield Text()
    yield _drawn(forward_table(trace, rows, most))
    yield Text()
    yield _drawn(backward_table(trace, rows, most))
    leaves = leaves_table(trace, LEAVES if depth is None else None)
    if leaves is not None:
        yield Text()
        yield _drawn(leaves)
    for found in trace.recurrences:
        part = f" ({found.part})" if found.part else ""
        yield Text(plain_text(f"\nThrough time: {len(found.states)} steps with {found.weights}{part}\n"), style="bold")
        yield _drawn(time_table(found, STEPS))
    if trace.notes:
        yield Text("\nNotes", style="bold")
        for note in trace.notes:
            yield Padding(Text(plain_text(note)), (0, 0, 0, 2), expand=False)


def _verdicts(trace: Trace) -> Iterator[str]:
    if trace.depth is not None:
        yield f"through depth: {trace.depth.words}"
    for found in trace.recurrences:
        yield f"through time ({found.weights}): {found.words}"


def headline(trace: Trace) -> str:
    """What was walked through, in a line."""
    count, parameters = len(shown_operations(trace)), sum(v.kind == "parameter" for v in trace.values.values())
    return f"{trace.what}: {count:,} operation{'s' * (count != 1)}" + (
        f", {parameters:,} parameter tensors" if parameters else ""
    )


def steps_of(trace: Trace) -> Iterator[str]:
    """One line for each operation, forward and then backward."""
    operations = shown_operations(trace)
    for number, operation in enumerate(operations, start=1):
        yield f"forward {number}/{len(operations)}  {_forward(trace, operation)}"
    for number, operation in enumerate(reversed(operations), start=1):
        yield f"backward {number}/{len(operations)}  {_backward(trace, operation)}"


def _forward(trace: Trace, operation: TracedOperation) -> str:
    given = ", ".join(f"{name} {shape_text(trace.values[name].shape)}" for name in operation.inputs)
    made = ", ".join(_told(trace, name, "value") for name in operation.outputs)
    note = f"  ({operation.note})" if operation.note else ""
    return f"{operation.function}({given}) -> {made}{note}"


def _backward(trace: Trace, operation: TracedOperation) -> str:
    arrived = ", ".join(_told(trace, name, "gradient") for name in operation.outputs)
    return f"{operation.function}: {arrived} -> " + ", ".join(
        _told(trace, name, "gradient") for name in operation.inputs
    )


def _told(trace: Trace, name: str, which: str) -> str:
    value = trace.values[name]
    found = value.value if which == "value" else value.gradient
    shape = f" {shape_text(value.shape)}" if which == "value" else ""
    norm = "" if found is None or found.norm is None else f" |{number_text(found.norm)}|"
    if which == "value":
        return f"{name}{shape}{norm}"
    more = came_from(value)
    return f"d{name}{norm}" + (f" ({more})" if more else "")


def _drawn(table: Table) -> Any:
    """The table; numbers to the right, names broken rather than cut, bars and numbers never broken."""
    drawn = table_text(table)
    for number, column in enumerate(drawn.columns):
        title = table.columns[number].title
        numbers = number > 0 and title.startswith(("norm", "zeros", "|", "gradient", "of its"))
        named = number == 0 and max((len(row[0]) for row in table.rows), default=0) <= NAME
        column.overflow, column.no_wrap = "fold", named or numbers or title == ""
        column.justify = "right" if numbers else "left"
    return drawn
