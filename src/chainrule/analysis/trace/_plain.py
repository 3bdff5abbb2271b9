"""A trace as plain JSON data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.analysis.trace._result import Trace, TracedValue
from chainrule.analysis.trace._statistics import Statistics, plain_number
from chainrule.analysis.trace._time import Recurrence


def plain_trace(trace: Trace) -> dict[str, Any]:
    """Everything but the tensors; numbers that JSON lacks are words."""
    depth = None
    if trace.depth is not None:
        layers = [
            {"name": layer.name, "gradient": plain_number(layer.gradient), "weights": plain_number(layer.weights)}
            for layer in trace.depth.layers
        ]
        depth = {"layers": layers, "ratio": plain_number(trace.depth.ratio), "words": trace.depth.words}
    return {
        "what": trace.what,
        "started": trace.started,
        "outputs": list(trace.outputs),
        "operations": [
            {
                "name": o.name,
                "function": o.function,
                "module": o.module,
                "inputs": list(o.inputs),
                "outputs": list(o.outputs),
                "note": o.note,
            }
            for o in trace.operations
        ],
        "values": [_value(value) for value in trace.values.values()],
        "through_time": [_recurrence(found) for found in trace.recurrences],
        "through_depth": depth,
        "notes": list(trace.notes),
    }


def _value(value: TracedValue) -> dict[str, Any]:
    return {
        "name": value.name,
        "kind": value.kind,
        "shape": list(value.shape),
        "dtype": value.dtype,
        "operation": value.operation or None,
        "uses": list(value.uses),
        "value": _statistics(value.value),
        "gradient": _statistics(value.gradient),
        "why": value.why or None,
        "arrivals": [{"from": each.source, "gradient": _statistics(each.gradient)} for each in value.arrivals],
    }


def _statistics(found: Statistics | None) -> dict[str, Any] | None:
    return None if found is None else found.as_dict()


def _recurrence(found: Recurrence) -> dict[str, Any]:
    return {
        "weights": found.weights,
        "states": [list(state) for state in found.states],
        "gradients": _numbers(found.gradients),
        "steps": _numbers(found.steps),
        "products": _numbers(found.products),
        "words": found.words,
        "part": found.part or None,
    }


def _numbers(values: Sequence[float | None]) -> list[float | str | None]:
    return [plain_number(value) for value in values]
