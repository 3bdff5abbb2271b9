"""Deep networks whose blocks do not add their input: the same steps with a skip around each."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from chainrule.analysis._replay import Action
from chainrule.analysis._tape import Operation
from chainrule.analysis._tape_modules import Call
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._events import is_network
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE, STANDSTILL
from chainrule.diagnosis.doctor.checks.network._layers import affine_layers
from chainrule.diagnosis.doctor.checks.network._probe import FAILURES
from chainrule.diagnosis.doctor.checks.network._trial import can_try, trial
from chainrule.diagnosis.doctor.checks.network.initialization import FLAT, LEARNS
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

FEWEST, LAYERS = 3, 6
"""Blocks of a kind, and layers with weights, from which a network is deep enough to need skips."""
ADDING = frozenset({"+", "+=", "add", "add_", "cat", "concat", "lerp", "addcmul", "addcmul_"})


@check("deep-without-skips", experiment=True)
def missing_skips(case: Case) -> Iterator[Finding]:
    """Many blocks that give what they are given another value of its size, and do not add it; the loss stays."""
    if not can_try(case) or len({layer.weight for layer in affine_layers(case.batches[0])}) < LAYERS:
        return
    groups = [_plain(batch) for batch in case.batches]
    kinds = {call.kind for call in groups[0]}
    if len(groups[0]) < FEWEST or not all(groups):
        return
    before = trial(case)
    if before.gain >= FLAT:
        return
    try:
        after = trial(case, actions={i: _added(b, calls) for i, (b, calls) in enumerate(zip(case.batches, groups))})
    except FAILURES:
        return
    if after.gain <= max(LEARNS, 3 * before.gain):
        return
    call = groups[0][0]
    yield Finding(
        "deep-without-skips",
        f"{len(groups[0])} blocks ({', '.join(sorted(kinds))}) follow each other and none adds its input: "
        "nothing gets through",
        "fault",
        0.93,
        (
            Fact("blocks whose output has the size of their input, without a sum of both", str(len(groups[0]))),
            Fact("layers with weights in a row", str(len(affine_layers(case.batches[0])))),
        ),
        "return x + f(x) in each block",
        _place(call),
        Tried("the input of each block added to its output", before.words(), after.words(), True),
        (*LEARNS_LITTLE, *STANDSTILL, "all-units-equal", "no-activation"),
    )


def _plain(batch: Batch) -> list[Call]:
    """Calls of a kind that stands several times, outermost ones, in and out of one size, and no skip in them."""
    values, uses = batch.tape.values, batch.tape.consumers()
    operations = {o.index: o for o in batch.tape.operations}
    found: list[Call] = []
    for call in batch.tape.calls:
        if call.parent is None or not call.inputs or not call.outputs or not is_network(call.module):
            continue
        given, result = call.inputs[0], call.outputs[0]
        if values[given].shape != values[result].shape or given not in batch.learned or given == result:
            continue
        added = any(operations[i].function in ADDING for i in uses[given])
        if not added and values[result].operation is not None:
            found.append(call)
    same = [
        [c for c in found if c.kind == kind and c.depth == depth] for kind, depth in {(c.kind, c.depth) for c in found}
    ]
    many = [calls for calls in same if len(calls) >= FEWEST]
    return min(many, key=lambda calls: (calls[0].depth, -len(calls)), default=[])


def _added(batch: Batch, calls: list[Call]) -> dict[int, Action]:
    """Actions after which each call's output is that and its input; the input is taken from its first user."""
    operations = {o.index: o for o in batch.tape.operations}
    uses = batch.tape.consumers()
    kept: dict[int, Tensor] = {}
    takes: dict[int, list[tuple[int, int]]] = {}
    adds: dict[int, int] = {}
    for call in calls:
        given, made = call.inputs[0], batch.tape.values[call.outputs[0]].operation
        if made is None or not uses[given]:
            continue
        first = operations[uses[given][0]]
        takes.setdefault(first.index, []).append((given, first.inputs.index(given)))
        adds[made] = given
    return {
        index: _action(operations[index], takes.get(index, []), adds.get(index), kept)
        for index in {*takes, *adds}
        if index in operations
    }


def _action(operation: Operation, takes: list[tuple[int, int]], adds: int | None, kept: dict[int, Tensor]) -> Action:
    def run(*arguments: Any, **options: Any) -> Any:
        tensors = [leaf for leaf in tree_leaves((arguments, options)) if isinstance(leaf, Tensor)]
        for value, place in takes:
            kept[value] = tensors[place]
        output = operation.target(*arguments, **options)
        return output + kept[adds] if adds is not None and isinstance(output, Tensor) else output

    return run


def _place(call: Call) -> str:
    """The line of the last return of the block's forward."""
    try:
        lines, first = inspect.getsourcelines(type(call.module).forward)
        path = inspect.getsourcefile(type(call.module).forward) or ""
    except (OSError, TypeError):
        return call.path
    returns = [i for i, line in enumerate(lines) if line.strip().startswith("return")]
    own = not type(call.module).__module__.startswith("torch.")
    return f"{Path(path).name}:{first + (returns[-1] if returns else 0)}" if own else call.path
