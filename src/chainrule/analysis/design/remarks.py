"""What is probably not meant: rows that are never read, dead ends, fields that do not fit, one layer with most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chainrule.analysis._tape import Operation, Tape
from chainrule.analysis.design.measure import Measured
from chainrule.analysis.design.rows import Row, unused_parameters
from chainrule.analysis.design.views import Followed
from chainrule.analysis.design.windows import Slid, slid, unread_text

FAR = 10
"""A field so many times larger than what is to be seen is remarked upon."""
MOST = 0.5
"""One layer with more than this share of all parameters is remarked upon, in networks of at least three such layers."""
_POOLED = ("adaptive_avg_pool", "adaptive_max_pool", "mean", "amax", "avg_pool", "max_pool")
_ALWAYS_UNUSED = ("empty", "zeros", "ones", "full", "arange", "size", "manual_seed", "device", "dim")


def remarks(measured: Measured, rows: Sequence[Row], sights: Followed | None, object_size: int | None) -> list[str]:
    """What is to be said about a network, in words.

    Args:
        measured: What was seen of its call.
        rows: Of its table.
        sights: What each number reads.
        object_size: Pixels that the things to be recognized span; the input's size stands for it where it is None.
    """
    tape = measured.tape
    return [
        *_unread(tape),
        *_dead_ends(tape),
        *_unused(measured),
        *_field(tape, sights, object_size),
        *_heavy(rows),
    ]


def named(operation: Operation) -> str:
    """Where an operation stands, and what it is: the module where it is the innermost one's only work."""
    path = operation.call.path if operation.call else ""
    leaf = operation.call is not None and not list(operation.call.module.children())
    return path if leaf and path else f"{path}.{operation.function}" if path else operation.function


def _unread(tape: Tape) -> Iterator[str]:
    """Rows that no window reads, of values that nothing else reads either."""
    consumers = tape.consumers()
    returned = set(tape.outputs)
    told: set[tuple[str, str]] = set()
    for value in tape.values:
        operations = [tape.operations[i] for i in consumers[value.index]]
        windows = [slid(operation, tape, value.index) for operation in operations]
        if not operations or value.index in returned or any(window is None for window in windows):
            continue
        known = [window for window in windows if window is not None]
        lost = [
            set.intersection(*(window.unread(axis) for window in known)) for axis in range(min(w.axes for w in known))
        ]
        if not any(lost):
            continue
        first: Slid = known[0]
        text = unread_text(first, lost)
        if text and (named(operations[0]), text) not in told:
            told.add((named(operations[0]), text))
            yield f"{named(operations[0])}: {text}"


def _dead_ends(tape: Tape) -> Iterator[str]:
    """What is computed from the input and used by nothing."""
    if not tape.outputs:
        return
    read = {i for operation in tape.operations for i in operation.inputs} | set(tape.outputs)
    alive = {id(tape.values[i].tensor) for i in read}
    depends: set[int] = {value.index for value in tape.values if value.kind == "input"}
    reading = {id(tape.values[i].tensor._base) for i in read if tape.values[i].tensor._base is not None}
    for operation in tape.operations:
        if not depends.intersection(operation.inputs):
            continue
        depends.update((*operation.results, *operation.changed))
        tensors = [tape.values[i].tensor for i in operation.results]
        asked = all(not t.is_floating_point() for t in tensors)  # the program's way may depend on it
        if operation.changed or asked or operation.function.startswith(_ALWAYS_UNUSED):
            continue
        if all(id(t) not in alive and id(t) not in reading for t in tensors) and tensors[0].numel():
            yield f"{named(operation)}: what it gives is not used"


def _unused(measured: Measured) -> Iterator[str]:
    found = unused_parameters(measured)
    if not found:
        return
    count = sum(size for _, size in found)
    names = ", ".join(name for name, _ in found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    yield f"{count:,} parameters are not used: {names}"


def _field(tape: Tape, sights: Followed | None, object_size: int | None) -> Iterator[str]:
    """The last field before everything is mixed, against what is to be seen."""
    if sights is None or len(sights.axes) < 2:
        return
    views = sights.views(tape)
    last, mixing = None, None
    for operation in tape.operations:
        index = (*operation.results, *operation.changed)[0]
        found = views.get(index)
        if found is None:
            continue
        if all(view.whole for view in found):
            mixing = mixing or operation
        elif mixing is None:
            last = found
    if last is None or (mixing is not None and not mixing.function.startswith(_POOLED)):
        return
    sizes = [view.size for view in last]
    wanted = [object_size] * len(sizes) if object_size else list(sights.sizes)
    what = f"objects of {object_size} pixels" if object_size else f"the input, {'x'.join(map(str, wanted))}"
    text = "x".join(map(str, sizes))
    if min(sizes[i] / wanted[i] for i in range(len(sizes))) < (1 if object_size else 0.5):
        yield f"a number of the last map sees {text} pixels, less than {what}: layers, strides, dilation widen it"
    elif min(sizes[i] / wanted[i] for i in range(len(sizes))) > FAR:
        yield f"a number of the last map sees {text} pixels, far more than {what}: most of it is padding or background"


def _heavy(rows: Sequence[Row]) -> Iterator[str]:
    total = sum(row.parameters for row in rows)
    some = [row for row in rows if row.parameters]
    if len(some) < 3 or not total:
        return
    most = max(some, key=lambda row: row.parameters)
    if most.parameters > MOST * total:
        yield f"{most.name} ({most.kind}) holds {100 * most.parameters / total:.0f} % of all parameters"
