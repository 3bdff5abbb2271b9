"""Recurrent layers that run on over the padding: the same steps with each row's state at its last real place."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks.network._layers import RECURRENT
from chainrule.diagnosis.doctor.checks.network._probe import FAILURES
from chainrule.diagnosis.doctor.checks.network._trial import Trial, can_try, trial
from chainrule.diagnosis.doctor.checks.network.sequences import real_lengths


def padded_layers(batch: Batch) -> tuple[list[Operation], Tensor] | None:
    """The recurrent layers that run over padded tokens, and how many real ones each row has; None where there are none.

    Those that are given packed sequences have no place in it.
    """
    tokens = next((x for x in batch.inputs if x.ndim == 2 and not x.is_floating_point()), None)
    if tokens is None or min(tokens.shape) < 2:
        return None
    turned = False
    lengths = real_lengths(tokens)
    if bool((lengths == tokens.shape[1]).all()):
        lengths, turned = real_lengths(tokens.T.contiguous()), True
        if bool((lengths == tokens.shape[0]).all()):
            return None
    size = tuple(tokens.shape)
    found = []
    for operation in batch.tape.operations:
        if operation.function not in RECURRENT or not isinstance(operation.arguments[-1], bool):
            continue  # one with packed data has sizes of batches in second place
        first = bool(operation.arguments[-1])
        shape = batch.tape.values[operation.inputs[0]].shape
        if len(shape) == 3 and tuple(shape[:2]) == size and first != turned:
            found.append(operation)
    return (found, lengths) if found else None


def packed_trial(case: Case) -> tuple[Trial, Trial] | None:
    """The recorded steps as they were, and with each recurrent layer stopped at the end of each row."""
    if not can_try(case):
        return None
    actions = {}
    for place, batch in enumerate(case.batches):
        layers = padded_layers(batch)
        if layers is not None:
            actions[place] = {o.index: _stopping(o, layers[1]) for o in layers[0]}
    if len(actions) < len(case.batches) // 2 or not actions:
        return None
    try:
        return trial(case, actions={key: {} for key in actions}, steps=100), trial(case, actions=actions, steps=100)
    except FAILURES:
        return None


def _stopping(operation: Operation, lengths: Tensor) -> Any:
    def run(given: Tensor, state: Any, weights: Any, *options: Any) -> Any:
        first = bool(options[-1])
        packed = pack_padded_sequence(given, lengths, batch_first=first, enforce_sorted=False)
        order, back = packed.sorted_indices, packed.unsorted_indices
        assert order is not None
        assert back is not None
        states = tuple(s.index_select(1, order) for s in (state if isinstance(state, (tuple, list)) else (state,)))
        begun: Any = states if isinstance(state, (tuple, list)) else states[0]
        out, *last = operation.target(packed.data, packed.batch_sizes, begun, weights, *options[:-1])
        whole = PackedSequence(out, packed.batch_sizes, order, back)
        rows, _ = pad_packed_sequence(whole, batch_first=True, total_length=given.shape[1 if first else 0])
        places = torch.minimum(torch.arange(rows.shape[1]), lengths[:, None] - 1)
        rows = rows.gather(1, places[..., None].expand(-1, -1, rows.shape[2]))
        return (rows if first else rows.transpose(0, 1), *(s.index_select(1, back) for s in last))

    return run
