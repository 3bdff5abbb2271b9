"""A loss that no weight has a part in."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._criteria import upstream
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._comparisons import plain_name
from chainrule.diagnosis.doctor.findings import Fact, Finding

_CUTS = frozenset(
    {
        "detach",
        "data",
        "argmax",
        "argmin",
        "round",
        "floor",
        "ceil",
        "sign",
        "gt",
        "lt",
        "ge",
        "le",
        "eq",
        "ne",
        "long",
        "int",
        "bool",
        "topk",
        "bincount",
        "heaviside",
    }
)
"""What no gradient passes."""


@check("loss-detached", "logits-where-probabilities-are-expected")
def detached_loss(case: Case) -> Iterator[Finding]:
    """Whether a gradient gets from the loss to any weight; and errors of torch's that say that it does not."""
    error = case.seen.error
    said = "" if error is None else str(error)
    if "does not require grad" in said:
        yield _detached(_frame(error), (Fact("torch says", said.splitlines()[0]),), _last_cut(case), sure=0.97)
    elif "all elements of input should be between 0 and 1" in said:
        yield Finding(
            "logits-where-probabilities-are-expected",
            "binary_cross_entropy is given scores, not probabilities.",
            "fault",
            0.9,
            (Fact("torch says", said.splitlines()[0]),),
            "binary_cross_entropy_with_logits (nn.BCEWithLogitsLoss) on the scores.",
            _frame(error),
        )
    elif case.batches and case.parameters and math.isfinite(case.losses[0]):
        batch = case.batches[0]
        if not any(case.rehearsal.gradients(i) for i in range(min(3, len(case.batches)))):
            yield _detached(case.place(batch.event.line), (Fact("weights that get a gradient", "none"),), _cut(batch))


def _detached(where: str, facts: tuple[Fact, ...], cut: str, *, sure: float = 0.98) -> Finding:
    found = (*facts, Fact("operation that no gradient passes", cut)) if cut else facts
    return Finding(
        "loss-detached",
        "The loss is cut off from the weights: no gradient can get to them.",
        "fault",
        sure,
        found,
        "Compute the loss from the network's output with tensors alone: no item(), detach(), numpy(), torch.tensor(), "
        "argmax or comparison on the way.",
        where,
        explains=(
            *STANDSTILL,
            "graph-cut",
            "parameters-left-out",
            "backward-never-called",
            "step-never-called",
            "unused-layer",
        ),
    )


def _cut(batch: Batch) -> str:
    return next((plain_name(o) for o in upstream(batch.tape, batch.loss) if plain_name(o) in _CUTS), "")


def _last_cut(case: Case) -> str:
    return _cut(case.batches[-1]) if case.batches else ""


def _frame(error: BaseException | None) -> str:
    """The user's line nearest to an error."""
    from chainrule.diagnosis.doctor._places import is_users

    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    own = [frame for frame in frames if is_users(frame.filename)]
    return f"{own[-1].filename.rpartition('/')[2]}:{own[-1].lineno}" if own else ""
