"""A recorded call, run again: with other weights, other inputs, or some of its operations changed or left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from chainrule.analysis._tape import Operation, Ref, Tape

Action = Callable[..., Any]
"""What runs in place of an operation: takes its arguments and returns what it would."""


@dataclass(frozen=True)
class Score:
    """A tape as something that can be played: which earlier value each in-place change is a change of.

    Args:
        tape: What was recorded.
        before: Value that came of an in-place change -> the value of the same tensor before it.
        written: Leaves that some operation changes in place: they are copied before each play.
        needed: Operations that the outputs depend on, in order.
    """

    tape: Tape
    before: Mapping[int, int]
    written: frozenset[int]
    needed: tuple[Operation, ...]


def score(tape: Tape, outputs: Sequence[int] | None = None) -> Score:
    """Prepare a tape for playing.

    Args:
        tape: What was recorded.
        outputs: The values that are wanted; those that the call returned when left out.
    """
    newest: dict[int, int] = {}
    before: dict[int, int] = {}
    for value in tape.values:
        if id(value.tensor) in newest:
            before[value.index] = newest[id(value.tensor)]
        newest[id(value.tensor)] = value.index
    written = {_first(index, before) for index in before}
    leaves = frozenset(index for index in written if tape.values[index].operation is None)
    return Score(tape, before, leaves, _needed(tape, tape.outputs if outputs is None else tuple(outputs)))


def with_data(prepared: Score) -> Score:
    """The same with its data as they were: what was made outside of all modules, and of no weight, is not made again.

    So batches that were drawn, shuffled or changed at random stay the batches that they were.
    """
    tape = prepared.tape
    learned = {
        id(value.tensor) for value in tape.values if value.kind in ("parameter", "buffer") or _is_weight(value.tensor)
    }
    weights = {id(value.tensor) for value in tape.values if value.kind == "parameter" or _is_weight(value.tensor)}
    kept: list[Operation] = []
    for operation in prepared.needed:
        if operation.call is None and any(id(tape.values[index].tensor) in weights for index in operation.changed):
            continue  # drew the weights, or set them: here they are what they were when they were used
        touched = {id(tape.values[index].tensor) for index in (*operation.inputs, *operation.changed)}
        if operation.call is not None or touched & learned:
            kept.append(operation)
            learned |= {id(tape.values[i].tensor) for i in (*operation.results, *operation.changed)}
    run = {operation.index for operation in kept}
    changed = {id(tape.values[index].tensor) for operation in kept for index in operation.changed}
    again = [o for o in prepared.needed if any(id(tape.values[i].tensor) in changed for i in o.results)]
    run |= {operation.index for operation in again}  # what the network writes to is no longer what it was
    values = [
        value if value.operation in run or value.operation is None else replace(value, kind="constant", operation=None)
        for value in tape.values
    ]
    needed = tuple(operation for operation in prepared.needed if operation.index in run)
    before = {new: old for new, old in prepared.before.items() if values[new].operation is not None}
    return replace(prepared, tape=replace(tape, values=values), needed=needed, before=before)


def stripped(prepared: Score) -> Score:
    """The same without the tensors that were computed on the way; their memory is freed.

    What stands in their place still tells by its `requires_grad` whether a gradient went through.
    """
    tape, empty = prepared.tape, {flag: torch.empty(0, requires_grad=flag) for flag in (False, True)}
    values = [v if v.operation is None else replace(v, tensor=empty[v.tensor.requires_grad]) for v in tape.values]
    operations = {operation.index for operation in prepared.needed}
    kept = [operation for operation in tape.operations if operation.index in operations]
    return replace(prepared, tape=Tape(kept, values, tape.calls, tape.output))


def play(
    prepared: Score,
    values: Mapping[int, Tensor] | None = None,
    *,
    actions: Mapping[int, Action] | None = None,
) -> dict[int, Tensor]:
    """Run the operations again and return the value of each, by its index on the tape.

    What is drawn at random (dropout) is drawn anew. Python's own control flow is not run again: the same operations in
    the same order, so the shapes must be those of the recorded call.

    Args:
        prepared: What `score` returned.
        values: Leaves in place of the recorded ones: parameters, inputs, constants, which stay as they are, and
            buffers, which the operations change as in training. The recorded tensors stay as they are.
        actions: Operation -> what runs in its place.

    Example:
        >>> from chainrule.analysis._record import record
        >>> w, x = torch.tensor([2.0], requires_grad=True), torch.tensor([3.0])
        >>> tape = record(lambda x: (x * w).relu_(), x)
        >>> prepared = score(tape)
        >>> played = play(prepared, {tape.operations[0].inputs[1]: torch.tensor([-5.0])})
        >>> played[tape.outputs[0]], play(prepared)[tape.outputs[0]]
        (tensor([0.]), tensor([6.], grad_fn=<ReluBackward0>))
    """
    tape, given, changed = prepared.tape, values or {}, actions or {}
    known: dict[int, Tensor] = {}
    for value in tape.values:
        if value.operation is None and value.index not in prepared.before:
            if value.kind == "buffer":  # one that is given carries its state from play to play
                known[value.index] = given[value.index] if value.index in given else value.tensor.clone()
            else:
                tensor = given.get(value.index, value.tensor)
                known[value.index] = tensor.clone() if value.index in prepared.written else tensor
    for operation in prepared.needed:
        run = changed.get(operation.index, operation.target)
        arguments, options = tree_map(
            lambda leaf: known[leaf.value] if isinstance(leaf, Ref) else leaf,
            (operation.arguments, operation.options),
            is_leaf=lambda leaf: isinstance(leaf, Ref),
        )
        output = run(*arguments, **options)
        for index in operation.changed:  # a view that nothing needs was not made
            if prepared.before[index] in known:
                known[index] = known[prepared.before[index]]
        returned = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        known.update(zip(operation.results, returned))
    return known


def leave_out(*arguments: Any, **options: Any) -> Any:
    """The action of an operation that is left out: its first argument goes on as it is."""
    return arguments[0]


def _is_weight(tensor: Tensor) -> bool:
    """Whether gradients end in it; a view whose base was changed since is none, and torch refuses to say so."""
    try:
        return tensor.requires_grad and tensor.is_leaf
    except RuntimeError:
        return False


def _first(index: int, before: Mapping[int, int]) -> int:
    while index in before:
        index = before[index]
    return index


def _needed(tape: Tape, outputs: tuple[int, ...]) -> tuple[Operation, ...]:
    """What the outputs and the buffers depend on; what changes a needed tensor in place is needed."""
    tensors = {id(tape.values[index].tensor) for index in outputs}
    tensors |= {id(value.tensor) for value in tape.values if value.kind == "buffer"}
    kept = []
    for operation in reversed(tape.operations):
        made = {id(tape.values[index].tensor) for index in (*operation.results, *operation.changed)}
        if made & tensors:
            kept.append(operation)
            tensors |= {id(tape.values[index].tensor) for index in operation.inputs}
    return tuple(reversed(kept))
