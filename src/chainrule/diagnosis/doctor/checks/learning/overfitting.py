"""Overfitting: what is right in training and wrong on examples that were held out."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.data._facts import class_targets, facts
from chainrule.diagnosis.doctor.findings import Fact, Finding

LEARNED = 0.9
"""Share of the training that is right, from which it is learned."""
GAP = 0.15
"""By how much less must be right of what was held out."""
FEWEST = 60
"""Held-out examples that are needed."""


@check("overfits", experiment=True)
def overfits(case: Case) -> Iterator[Finding]:
    """With the last weights, the share of right classes in the recorded batches and in the last evaluation."""
    known = facts(case)
    wanted = class_targets(known.valid)
    if case.task != "classes" or known.valid is None or known.valid.answers is None or wanted is None:
        return
    held_out = _right(known.valid.answers, wanted)
    seen = [right for batch in case.batches if (right := _trained(case, batch)) is not None]
    if held_out is None or len(held_out) < FEWEST or not seen:
        return
    training, validation = float(torch.cat(seen).double().mean()), float(held_out.double().mean())
    if training < LEARNED or training - validation < GAP:
        return
    yield Finding(
        "overfits",
        f"The training is learned by heart: {training:.0%} of it is right, and {validation:.0%} of what was held out.",
        "note",
        0.5,
        (
            Fact("right in training, at the end", f"{training:.1%}"),
            Fact("right in the last evaluation", f"{validation:.1%}"),
        ),
        "More or varied data (augmentation), weight decay, dropout, a smaller network, or an earlier end.",
    )


def _trained(case: Case, batch: Batch) -> Tensor | None:
    if batch.criterion is None or batch.targets is None or batch.targets.is_floating_point():
        return None
    played = batch.played(case.final)
    return _right(played[batch.criterion.prediction], batch.targets)


def _right(scores: Tensor, targets: Tensor) -> Tensor | None:
    """Which answers are the wanted classes; None where the shapes are not those of classes."""
    if scores.ndim != 2 or scores.shape[1] < 2 or targets.ndim != 1 or len(targets) != len(scores):
        return None
    return scores.argmax(1) == targets
