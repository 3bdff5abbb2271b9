"""What stands between layers and does not belong there: a softmax as an activation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE, STANDSTILL
from chainrule.diagnosis.doctor.checks.network._layers import SHAPING, affine_layers, spot
from chainrule.diagnosis.doctor.checks.network._trial import can_try, trial
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

CLEARLY = 0.85
"""Loss after a trial with ReLU in its place, over that without, from which it is a fault."""
PASSING = SHAPING | {"dropout", "layer_norm", "batch_norm"}


@check("softmax-between-layers", experiment=True)
def softmax_between(case: Case) -> Iterator[Finding]:
    """A softmax whose result alone goes into the next layer: hardly anything gets through."""
    if not can_try(case):
        return
    batch = case.batches[0]
    found = _between(batch)
    if not found:
        return
    before = trial(case, steps=100)
    actions = {i: {o.index: _relu for o in _between(b)} for i, b in enumerate(case.batches)}
    after = trial(case, steps=100, actions=actions)
    helped = after.last < CLEARLY * before.last
    yield Finding(
        "softmax-between-layers",
        "a softmax stands between two layers as if it were an activation: its units add up to one",
        "fault" if helped else "note",
        0.93 if helped else 0.5,
        (
            Fact("softmax whose result goes into the next layer", str(len(found))),
            Fact("units that add up to one", str(batch.tape.values[found[0].results[0]].shape[-1])),
        ),
        "nn.ReLU() between layers; softmax belongs to the loss",
        spot(case, batch, found[0]),
        Tried("ReLU in its place", before.words(), after.words(), helped),
        (*LEARNS_LITTLE, *STANDSTILL, "initialization-too-small", "softmax-over-wrong-axis") if helped else (),
    )


def _between(batch: Batch) -> list[Operation]:
    """Each softmax whose result is what a layer multiplies by its weights."""
    given = {layer.given for layer in affine_layers(batch) if layer.operation.function == "linear"}
    operations, uses = {o.index: o for o in batch.tape.operations}, batch.tape.consumers()
    found = []
    for operation in batch.tape.operations:
        if operation.function not in ("softmax", "log_softmax") or operation.results[0] in batch.outputs:
            continue
        value = operation.results[0]
        for _ in range(4):
            after = [operations[i] for i in uses[value] if i in operations]
            if value in given and len(after) == 1:
                found.append(operation)
            if len(after) != 1 or after[0].function not in PASSING:
                break
            value = after[0].results[0]
    return found


def _relu(given: Tensor, *_: Any, **__: Any) -> Tensor:
    return torch.relu(given)
