"""Attention with several heads: whether view keeps places and heads apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.network._layers import PRODUCTS, spot
from chainrule.diagnosis.doctor.findings import Fact, Finding

RESHAPES = frozenset({"view", "reshape", "unflatten", "view_as", "reshape_as"})
SYMPTOMS = (
    *LEARNS_LITTLE, "no-causal-mask", "causal-mask-shifted", "causal-mask-inverted", "mask-filled-with-zero",
    "order-ignored", "future-in-window", "target-among-inputs", "overfits", "padding-seen", "past-unseen",
    "attention-over-wrong-axis",
)  # fmt: skip


@check("heads-mixed-with-places")
def heads(case: Case) -> Iterator[Finding]:
    """A reshape that makes heads of features must leave places before them; a transpose brings heads to the front."""
    for batch in case.batches[:1]:
        values = batch.tape.values
        if not any(o.function == "softmax" or o.function.startswith("scaled_dot") for o in batch.tape.operations):
            return
        for operation in batch.tape.operations:
            if operation.function not in RESHAPES or operation.call is None or not operation.results:
                continue
            if operation.inputs[0] not in batch.learned:
                continue
            given, made = values[operation.inputs[0]].shape, values[operation.results[0]].shape
            if not (splits(given, made) or (merges(given, made) and _mixed(batch, operation.inputs[0]))):
                continue
            yield Finding(
                "heads-mixed-with-places",
                f"`{operation.function}` makes {tuple(given)} into {tuple(made)}: numbers of different places get "
                "into one head",
                "fault",
                0.985,
                (
                    Fact("shape before and after", f"{tuple(given)} and {tuple(made)}"),
                    Fact("what view keeps", "the order of the numbers in memory, not which axis they are on"),
                ),
                "x.view(b, t, heads, d).transpose(1, 2) to split, x.transpose(1, 2).reshape(b, t, heads * d) to join",
                spot(case, batch, operation),
                None,
                SYMPTOMS,
            )
            return


def splits(given: Sequence[int], made: Sequence[int]) -> bool:
    """Whether (b, t, h * d) becomes (b, h, t, d).

    Example:
        >>> splits((8, 32, 64), (8, 4, 32, 16)), splits((8, 32, 64), (8, 32, 4, 16))
        (True, False)
    """
    if len(given) != 3 or len(made) != 4 or given[0] != made[0]:
        return False
    heads, places, width = made[1:]
    return heads > 1 and places > 1 and heads != places and places == given[1] and heads * width == given[2]


def merges(given: Sequence[int], made: Sequence[int]) -> bool:
    """Whether (b, h, t, d) becomes (b, t, h * d).

    Example:
        >>> merges((8, 4, 32, 16), (8, 32, 64)), merges((8, 32, 4, 16), (8, 32, 64))
        (True, False)
    """
    if len(given) != 4 or len(made) != 3 or given[0] != made[0]:
        return False
    heads, places, width = given[1:]
    return heads > 1 and places > 1 and heads != places and places == made[1] and heads * width == made[2]


def _mixed(batch: Batch, value: int) -> bool:
    """Whether a value is what an attention gives: a product of weights and values."""
    for _ in range(4):
        made = batch.made_by(value)
        if made is None:
            return False
        if made.function in PRODUCTS or made.function == "scaled_dot_product_attention":
            return True
        value = made.inputs[0]
    return False
