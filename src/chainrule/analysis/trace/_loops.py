"""Finds what a call does again and again with the same weights, and the state that it hands from step to step."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.analysis._tape import Tape
from chainrule.analysis.trace._names import made_by

STEPS = 3
"""Fewer are no loop."""


@dataclass(frozen=True)
class Loop:
    """The hidden states of a loop, `states[t]` after step t: usually one value, an LSTM's are two.

    `weights` is the value that every step uses.
    """

    weights: int
    states: tuple[tuple[int, ...], ...]


def loops_of(tape: Tape) -> list[Loop]:
    """Find the loops of a call, from its operations alone.

    The weights that every step uses (W_hh) mark the steps: operations of one kind that use the same leaf, each of which
    depends on the one before. The state is what goes over the border between two steps: values that depend on the
    steps so far, that the next step uses, and that matter to the steps to come. Where in the step the border lies is
    chosen so that the state is smallest.
    """
    roots = _roots(tape)
    marks: dict[tuple[int, str, str], list[int]] = defaultdict(list)
    for operation in tape.operations:
        for leaf in dict.fromkeys(root for i in operation.inputs if (root := roots[i]) is not None):
            marks[leaf, operation.function, operation.module].append(operation.index)
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)  # the marks -> the leaves that have them
    for (leaf, _, _), indices in marks.items():
        groups[tuple(indices)].append(leaf)
    found = [indices for indices in groups if len(indices) >= STEPS and _chained(tape, indices)]
    found.sort(key=lambda indices: (-len(indices), indices[0]))
    loops: list[tuple[range, Loop]] = []
    for marked in found:
        span = range(marked[0], marked[-1] + 1)
        if any(span.start < other.stop and other.start < span.stop for other, _ in loops):
            continue
        states = _states(tape, marked)
        if len(states) >= STEPS - 1:
            loops.append((span, Loop(_weights(tape, groups[marked], states[0]), states)))
    return [loop for _, loop in sorted(loops, key=lambda one: one[0].start)]


def _weights(tape: Tape, leaves: Sequence[int], state: Sequence[int]) -> int:
    """Of the weights that every step uses, those that the state is multiplied by: they have its size."""
    sizes = {tape.values[i].shape[-1] for i in state if tape.values[i].shape}

    def fits(leaf: int) -> tuple[bool, int]:
        shape = tape.values[leaf].shape
        return len(shape) >= 2 and shape[-1] in sizes, leaf

    return max(leaves, key=fits)


def _roots(tape: Tape) -> list[int | None]:
    """For each value the one leaf that it is made of, if it is only one that carries a gradient (W, or W.T)."""
    roots: list[int | None] = []
    for value in tape.values:
        if value.operation is None:
            is_weight = value.tensor.requires_grad and value.kind in ("parameter", "constant", "input")
            roots.append(value.index if is_weight else None)
            continue
        inputs = tape.operations[value.operation].inputs
        before = {roots[i] for i in inputs if i < value.index}
        roots.append(
            before.pop() if len(before) == 1 and len(inputs) == 1 and _is_view(tape, value.operation) else None
        )
    return roots


def _is_view(tape: Tape, operation: int) -> bool:
    return tape.operations[operation].function in ("T", "t", "mT", "transpose", "permute", "view", "reshape")


def _chained(tape: Tape, indices: Sequence[int]) -> bool:
    """Whether each of these operations depends on the one before."""
    return all(_depends(tape, first, second) for first, second in itertools.pairwise(indices))


def _depends(tape: Tape, first: int, second: int) -> bool:
    reached = set(made_by(tape.operations[first], tape))
    for operation in tape.operations[first + 1 : second]:
        if not reached.isdisjoint(operation.inputs):
            reached.update(made_by(operation, tape))
    return not reached.isdisjoint(tape.operations[second].inputs)


def _states(tape: Tape, marks: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The state after each step, for the border at which it is smallest; empty if there is none."""
    after = _descendants(tape, marks[0])
    before = _ancestors(tape, marks[-1])
    period = min(second - first for first, second in itertools.pairwise(marks))
    best: list[list[int]] = []
    size, last = 0, 0
    for offset in reversed(range(period)):  # of equal sizes the latest state, of equal states the earliest border
        borders = [mark + offset for mark in marks]
        states = [_over(tape, one, other, after & before) for one, other in itertools.pairwise(borders)]
        taken = sum(_size(tape, state) for state in states)
        if all(states) and (not best or taken < size or states == best):
            best, size, last = states, taken, offset
    if not best:
        return ()
    return (*map(tuple, best), *_last(tape, [mark + last for mark in marks], best[-1]))


def _over(tape: Tape, border: int, following: int, matter: set[int]) -> list[int]:
    """The values made up to an operation that operations of the next step use, among those that matter."""
    used = {i for operation in tape.operations[border + 1 : following + 1] for i in operation.inputs}
    return sorted(i for i in used & matter if (tape.values[i].operation or 0) <= border)


def _last(tape: Tape, borders: Sequence[int], state: Sequence[int]) -> list[tuple[int, ...]]:
    """The state after the last step, which no step uses: what stands where the state of the step before stood."""
    found = []
    for i in state:
        made = tape.values[i].operation
        if made is None or borders[-1] >= len(tape.operations):
            return []
        place = made_by(tape.operations[made], tape).index(i)
        there = borders[-1] - (borders[-2] - made)
        twin = tape.operations[there]
        values = made_by(twin, tape)
        alike = twin.function == tape.operations[made].function and place < len(values)
        if not alike or tape.values[values[place]].shape != tape.values[i].shape:
            return []
        found.append(values[place])
    return [tuple(found)]


def _descendants(tape: Tape, operation: int) -> set[int]:
    found = set(made_by(tape.operations[operation], tape))
    for later in tape.operations[operation + 1 :]:
        if not found.isdisjoint(later.inputs):
            found.update(made_by(later, tape))
    return found


def _ancestors(tape: Tape, operation: int) -> set[int]:
    found = set(tape.operations[operation].inputs)
    for earlier in reversed(tape.operations[:operation]):
        if not found.isdisjoint(made_by(earlier, tape)):
            found.update(earlier.inputs)
    return found


def _size(tape: Tape, state: Sequence[int]) -> int:
    return sum(tape.values[i].tensor.numel() for i in state)
