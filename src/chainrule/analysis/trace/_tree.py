"""The operations of a trace as rows of a tree of modules, folded so that a reader sees the whole of it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.analysis.trace._result import Trace, TracedOperation

ROWS = 30
"""What fits on a first screen."""


@dataclass(frozen=True)
class Row:
    """One line: an operation, all operations of one module's call, or (with none) the name of an opened module.

    `depth` is how far it is indented, `name` its full name.
    """

    label: str
    name: str
    depth: int
    operations: tuple[TracedOperation, ...]

    @property
    def output(self) -> str:
        """The value that comes out at the end; empty for the name of an opened module."""
        made = [name for operation in self.operations for name in operation.outputs[:1]]
        return made[-1] if made else ""


def shown_operations(trace: Trace) -> list[TracedOperation]:
    """All operations but the bookkeeping of buffers."""
    return [operation for operation in trace.operations if operation.note != "bookkeeping"]


def rows_of(trace: Trace, depth: int | None = None) -> list[Row]:
    """The rows, with modules opened down to a depth; as far as `ROWS` lines allow where none is given."""
    if depth is not None:
        return _rows(trace, depth)
    best = _rows(trace, 0)
    for level in range(1, 50):
        rows = _rows(trace, level)
        if len(rows) > ROWS:
            break
        if rows == best and level > 1:
            break
        best = rows
    return best


def halves(rows: Sequence[Row], most: int = ROWS) -> tuple[list[Row], int, list[Row]]:
    """The first and the last rows where there are too many, and how many are left out between them."""
    if len(rows) <= most:
        return list(rows), 0, []
    half = most // 2
    return list(rows[:half]), len(rows) - 2 * half, list(rows[-half:])


def _rows(trace: Trace, depth: int) -> list[Row]:
    operations = shown_operations(trace)
    counts = Counter(call for operation in operations for call in operation.calls)
    rows: list[Row] = []
    opened: list[int] = []
    inner = {o.name: _inner(trace, o, counts) for o in operations}
    for _, group in itertools.groupby(operations, key=lambda o: _unit(o, inner[o.name], depth)):
        members = tuple(group)
        calls = inner[members[0].name]
        parents = list(calls[:depth])
        while opened and opened != parents[: len(opened)]:
            opened.pop()
        for call in parents[len(opened) :]:
            rows.append(Row(_call_label(trace, call, opened), trace.calls[call].path, len(opened), ()))
            opened.append(call)
        if len(calls) > depth:
            call = calls[depth]
            rows.append(Row(_call_label(trace, call, opened), trace.calls[call].path, len(opened), members))
        else:
            name = members[0].name
            rows.append(Row(_without(name, trace, opened), name, len(opened), members))
    return rows


def _inner(trace: Trace, operation: TracedOperation, counts: Counter[int]) -> list[int]:
    """The calls around an operation that have more in them than it, but for the network's own."""
    return [call for call in operation.calls if counts[call] > 1 and trace.calls[call].path]


def _unit(operation: TracedOperation, calls: Sequence[int], depth: int) -> tuple[str, int | str]:
    return ("call", calls[depth]) if len(calls) > depth else ("operation", operation.name)


def _call_label(trace: Trace, call: int, opened: Sequence[int]) -> str:
    found = trace.calls[call]
    name = _without(found.path, trace, opened)
    again = f" (call {found.time + 1})" if found.time else ""
    return f"{name} {found.kind}{again}" if name.partition("#")[0] != found.kind else f"{name}{again}"


def _without(name: str, trace: Trace, opened: Sequence[int]) -> str:
    """A name without the path of the module under which it stands."""
    path = trace.calls[opened[-1]].path if opened else ""
    return name.removeprefix(f"{path}.") if path else name
