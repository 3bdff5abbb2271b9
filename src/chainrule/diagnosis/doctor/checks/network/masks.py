"""Masks of padding: which keys an attention may look at, and whether it is those that hold something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from chainrule.analysis._tape import Operation, Ref
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.network._layers import ATTENDING, spot
from chainrule.diagnosis.doctor.checks.network.sequences import FORBIDDEN, real_lengths
from chainrule.diagnosis.doctor.findings import Fact, Finding

HIDDEN, SHOWN = 0.1, 0.9
"""Share of places that may be looked at: below and above, none or all of them but for some odd rows."""


@check("padding-mask-inverted")
def padding_mask(case: Case) -> Iterator[Finding]:
    """The keys that each attention may look at beside the places of its input that hold padding."""
    for batch in case.batches[:1]:
        sizes = padded_rows(batch)
        if not sizes or not any(o.function in ATTENDING or o.function == "softmax" for o in batch.tape.operations):
            continue
        played = batch.played()
        for operation in batch.tape.operations:
            allowed = allowed_keys(operation, played)
            lengths = sizes.get((allowed.shape[0], allowed.shape[1])) if allowed is not None else None
            if allowed is None or lengths is None:
                continue
            padding = torch.arange(allowed.shape[1]) >= lengths[:, None]
            some = padding.any(1) & ~padding.all(1)
            if int(some.sum()) < 2:
                continue
            real, pads = allowed[some][~padding[some]].mean(), allowed[some][padding[some]].mean()
            if float(real) > HIDDEN or float(pads) < SHOWN:
                continue
            direct = operation.function == "scaled_dot_product_attention"
            yield Finding(
                "padding-mask-inverted",
                "the mask is the wrong way round: the attention looks at the padding and not at what is there",
                "fault",
                0.97,
                (
                    Fact("places that hold something and may be looked at", f"{float(real):.0%}"),
                    Fact("places of padding that may be looked at", f"{float(pads):.0%}"),
                ),
                "of scaled_dot_product_attention True means: may be looked at"
                if direct
                else "of key_padding_mask True means padding, not looked at: key_padding_mask=(tokens == PAD); "
                "of a masked_fill before the softmax likewise",
                spot(case, batch, operation),
                None,
                (*LEARNS_LITTLE, "padding-seen", "order-ignored", "past-unseen", "examples-leak"),
            )
            return


def padded_rows(batch: Batch) -> dict[tuple[int, int], Tensor]:
    """The real lengths of the rows of each padded input, by its size as (examples, places)."""
    found: dict[tuple[int, int], Tensor] = {}
    for given in batch.inputs:
        tokens = given
        if given.is_floating_point() and given.ndim == 3:
            tokens = (given != 0).any(2).long()
        if tokens.is_floating_point() or tokens.ndim != 2 or min(tokens.shape) < 2:
            continue
        for turned in (tokens, tokens.T.contiguous()):
            lengths = real_lengths(turned)
            if bool((lengths < turned.shape[1]).any()):
                found.setdefault((turned.shape[0], turned.shape[1]), lengths)
    return found


def allowed_keys(operation: Operation, played: dict[int, Tensor]) -> Tensor | None:
    """Examples x keys: 1 where some query may look; None for what is no attention, or masks nothing by example."""
    if operation.function == "multi_head_attention_forward":
        mask = _tensor(operation.options.get("key_padding_mask"), played)
        if mask is None or mask.ndim != 2:
            return None
        return (~mask if mask.dtype == torch.bool else mask > FORBIDDEN).float()
    if operation.function == "scaled_dot_product_attention":
        mask = _tensor(operation.options.get("attn_mask", (*operation.arguments, None, None, None, None)[3]), played)
        if mask is None or mask.ndim < 3:
            return None
        mask = mask if mask.dtype == torch.bool else mask > FORBIDDEN
        return mask.flatten(1, -2).any(1).float()
    if operation.function == "softmax" and operation.call is not None:
        weights = played.get(operation.results[0])
        if weights is None or weights.ndim < 3:
            return None
        return (weights.flatten(1, -2) > 1e-8).any(1).float()
    return None


def _tensor(given: Any, played: dict[int, Tensor]) -> Tensor | None:
    return played.get(given.value) if isinstance(given, Ref) else None
