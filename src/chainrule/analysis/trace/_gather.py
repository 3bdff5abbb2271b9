"""From tape, observer and backward pass to plain records that hold no graph."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.analysis._tape import Operation, Tape, Value
from chainrule.analysis._tape_modules import Call
from chainrule.analysis.trace._backward import UPSTREAM, Backward
from chainrule.analysis.trace._names import made_by
from chainrule.analysis.trace._observe import Edge, Observer
from chainrule.analysis.trace._result import Arrival, TracedCall, TracedOperation, TracedValue
from chainrule.analysis.trace._statistics import Shelf, Statistics, statistics_of


@dataclass(frozen=True)
class Gathered:
    """The records of a trace."""

    operations: list[TracedOperation]
    values: dict[str, TracedValue]
    calls: list[TracedCall]
    notes: list[str]


def gather(tape: Tape, observer: Observer, back: Backward, shelf: Shelf) -> Gathered:
    """Write down everything by name."""
    names, consumers = observer.names, tape.consumers()
    values = {}
    for value in tape.values:
        name = names.values[value.index]
        arrivals = _arrivals(value, observer, back)
        gradient, lost = _gradient(value, observer, back, shelf)
        why = "" if gradient is not None else lost or _why(value, tape, observer, consumers[value.index])
        values[name] = TracedValue(
            name=name,
            kind=value.kind,
            shape=value.shape,
            dtype=str(value.dtype).removeprefix("torch."),
            operation="" if value.operation is None else names.operations[value.operation],
            uses=tuple(names.operations[i] for i in consumers[value.index]),
            value=observer.statistics[value.index],
            gradient=gradient,
            why=why,
            arrivals=tuple(arrivals),
        )
    first = {id(value.tensor): value.kind for value in reversed(tape.values)}
    buffers = {value.index for value in tape.values if first[id(value.tensor)] == "buffer"}
    operations = [_operation(operation, tape, observer, buffers) for operation in tape.operations]
    calls = [TracedCall(names.place(call), call.kind, call.time) for call in tape.calls]
    return Gathered(operations, values, calls, _notes(operations, values))


def _edges(value: Value, observer: Observer) -> list[Edge]:
    return [observer.edges[value.index], *observer.moved.get(value.index, [])] if value.index in observer.edges else []


def _gradient(value: Value, observer: Observer, back: Backward, shelf: Shelf) -> tuple[Statistics | None, str]:
    """The gradient of a value; one that autograd keeps in several places is the sum of them."""
    reached = [edge for edge in _edges(value, observer) if edge in back.gradients]
    if len(reached) < 2 and value.index not in observer.moved:
        return (back.gradients[reached[0]], "") if reached else (None, "")
    name = observer.names.values[value.index]
    paths = [name, *(f"{name} <- later {number}" for number in range(len(observer.moved[value.index])))]
    if any(path in shelf.missing for path in paths):
        return None, "cannot be told: it comes in parts that are too large to keep; trace with keep=True"
    parts = [shelf.tensors.pop(path) for path in paths if path in shelf.tensors]
    if not parts:
        return None, ""
    shelf.tensors[name] = sum(parts[1:], parts[0])
    return statistics_of(shelf.tensors[name]), ""


def _arrivals(value: Value, observer: Observer, back: Backward) -> list[Arrival]:
    found = [each for edge in _edges(value, observer) for each in back.arrivals.get(edge, [])]
    if len(found) < 2:
        return []
    operations = observer.names.operations
    return [
        Arrival("upstream" if index == UPSTREAM else operations[index], statistics, path)
        for index, statistics, path in found
    ]


def _why(value: Value, tape: Tape, observer: Observer, uses: list[int]) -> str:
    """Why a value has no gradient."""
    if not value.dtype.is_floating_point:
        return "whole numbers have no gradient" if str(value.dtype) != "torch.bool" else "truth has no gradient"
    if value.index in observer.refused:
        return f"autograd has none: {observer.refused[value.index]}"
    if value.index in observer.cut:
        return f"detached at {observer.cut[value.index]}"
    if value.index not in observer.edges:
        return {"parameter": "frozen: requires_grad is False", "result": "made of constants"}.get(
            value.kind, "a constant"
        )
    for use in uses:
        newer = any(tape.values[i].tensor is value.tensor for i in made_by(tape.operations[use], tape))
        if newer and value.tensor._base is not None:
            return f"changed in place at {observer.names.operations[use]}: its gradient goes through its base"
    if not uses and value.index not in tape.outputs:
        return "not used by itself; its memory is read through others" if value.tensor._is_view() else "not used"
    return "no path from it to the result carries a gradient"


def _operation(operation: Operation, tape: Tape, observer: Observer, buffers: set[int]) -> TracedOperation:
    calls: list[int] = []
    call: Call | None = operation.call
    while call is not None:
        calls.insert(0, call.index)
        call = call.parent
    made, names = made_by(operation, tape), observer.names.values
    notes = []
    if operation.index in observer.detached:
        notes.append(" ".join(["detached here", observer.detached[operation.index]]).strip())
    if operation.changed:
        notes.append("in place")
    if buffers.issuperset(made):  # a running statistic, a counter of batches
        notes = ["bookkeeping"]
    return TracedOperation(
        name=observer.names.operations[operation.index],
        function=operation.function,
        module=observer.names.place(operation.call),
        calls=tuple(calls),
        inputs=tuple(dict.fromkeys(names[i] for i in operation.inputs)),
        outputs=tuple(names[i] for i in made),
        note=", ".join(notes),
    )


def _notes(operations: list[TracedOperation], values: dict[str, TracedValue]) -> list[str]:
    notes = []
    for operation in operations:
        if operation.note.startswith("detached here"):
            notes.append(f"{operation.note}: {operation.name}; no gradient goes back from there")
    infinite = [v.name for v in values.values() if v.value is not None and not v.value.finite]
    if infinite:
        notes.append(f"the first value with NaN or infinity is {infinite[0]} ({len(infinite)} of {len(values)})")
    wrong = [v.name for v in values.values() if v.gradient is not None and not v.gradient.finite]
    if wrong:
        notes.append(f"the gradient of {wrong[-1]} is the first with NaN or infinity ({len(wrong)} in all)")
    if unused := [v.name for v in values.values() if v.kind == "parameter" and v.gradient is None]:
        listed = ", ".join(f"{name} ({values[name].why})" for name in unused[:4])
        notes.append(f"no gradient: {listed}" + (f" and {len(unused) - 4} more" if len(unused) > 4 else ""))
    return notes
