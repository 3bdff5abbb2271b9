"""A sum over the batch where the rate is made for the mean."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import BURST
from chainrule.diagnosis.doctor.checks.objective._comparisons import Comparison, comparisons, gradients, tail
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

_BETTER = 0.7
"""The mean must end at this share of the sum's loss, or lower, before anything is said: a mere difference of rates is
often smaller."""
_STEPS = 72
"""Steps that are taken both ways."""
_SCALED = ("SGD", "RMSprop", "ASGD", "Rprop")
"""Optimizers whose step grows with the gradient; of Adam's family it does not."""


@check("sum-with-rate-for-mean", experiment=True)
def sum_over_batch(case: Case) -> Iterator[Finding]:
    """Where the loss is a sum over the examples, the recorded steps are taken again with the mean."""
    each = next(iter(comparisons(case)), None)
    if each is None or not case.moves or type(case.moves[0].optimizer).__name__ not in ("SGD", "ASGD"):
        return
    size = _summed(case, each)
    if size is None:
        return
    rates, rehearsal = case.moves[0].rates, case.rehearsal
    steps = _STEPS if case.left > 10 else 24
    was = rehearsal.train(steps)
    now = rehearsal.train(steps, optimizer=lambda state: rehearsal.optimizer(state, lr=rates[0] / size))
    worse, better = _end(was, steps), _end(now, steps)
    if not (math.isfinite(better) and (not math.isfinite(worse) or better < _BETTER * worse)):
        return
    yield Finding(
        "sum-with-rate-for-mean",
        f"The loss is a sum over {size} examples, with a rate made for their mean.",
        "fault",
        0.93,
        (
            Fact("loss at the beginning", f"{case.losses[0]:.4g}, which is {case.losses[0] / size:.4g} an example"),
            Fact("examples in the sum", str(size)),
            Fact("rate", f"{rates[0]:g}, as if it were {rates[0] * size:g} with the mean"),
        ),
        f"reduction='mean' (or divide the loss by the batch size, or the rate by {size}).",
        each.where(case),
        Tried("the mean in place of the sum", _said(worse, steps), _said(better, steps), True),
        explains=(*BURST, "dead-units", "saturated-units", "underfits", "one-batch-is-not-learned"),
    )


def _end(losses: list[float], steps: int) -> float:
    return tail(losses) if len(losses) == steps and math.isfinite(losses[-1]) else math.inf


def _said(loss: float, steps: int) -> str:
    return f"loss {loss:.4g} after {steps} steps" if math.isfinite(loss) else "diverges"


def _summed(case: Case, each: Comparison) -> int | None:
    """How many examples are added up; None where the loss is a mean.

    The gradient at the predictions of the first half of the batch is the same, whether the others are in the batch or
    not, if their losses are added; for the mean it carries a factor 1/N.
    """
    options = each.criterion.options
    prediction = each.prediction
    if prediction.ndim < 1 or len(prediction) < 4 or each.target is None:
        return None
    if options.get("reduction") == "sum":
        return len(prediction) if _whole(case, each) else None
    if each.kind != "own" and options.get("reduction") != "none":
        return None
    found = gradients(each.batch, case.rehearsal.start(), [each.criterion.prediction])
    gradient = found.get(each.criterion.prediction)
    if gradient is None or each.target.shape != prediction.shape:
        return None
    error = (prediction - each.target).abs().reshape(-1)
    ratio = gradient.abs().reshape(-1) / error.clamp_min(1e-6)
    usual = float(torch.median(ratio[error > 1e-3])) if bool((error > 1e-3).any()) else 0.0
    return len(prediction) if usual >= 0.5 else None


def _whole(case: Case, each: Comparison) -> bool:
    """Whether the loss is that sum itself, and was not divided afterwards."""
    result = each.criterion.operation.results[0]
    found = gradients(each.batch, case.rehearsal.start(), [result])
    return result in found and float(found[result].abs().max()) > 4.0 / len(each.prediction)
