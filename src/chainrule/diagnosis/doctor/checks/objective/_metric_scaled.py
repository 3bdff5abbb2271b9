"""Predictions that are scaled back before the metric, by other numbers than those of the targets."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from chainrule.diagnosis.doctor._case import Case, output_of
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.objective._answers import Answer, Meeting, concatenated, passes
from chainrule.diagnosis.doctor.checks.objective._comparisons import comparisons, plain_name
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

_GOOD = 0.4
"""Share of the variance that outputs must explain once they are scaled back rightly."""
_BETTER_BY = 0.3
"""How much more that must be than they explain as they are."""


def _is_input(answer: Answer, meeting: Meeting) -> bool:
    """Whether what an output meets is what the network was called with."""
    given = [x for x in tree_leaves(answer.seen.forward.given) if isinstance(x, Tensor)]
    return any(x.shape == meeting.truth.shape and torch.equal(x, meeting.truth) for x in given)


@check("prediction-not-scaled-back")
def scaled_back_otherwise(case: Case) -> Iterator[Finding]:
    """What became of the outputs before the metric, beside what the units of truth and training targets ask for."""
    trained = concatenated(
        [e.target for e in comparisons(case) if e.target is not None and e.target.shape == e.prediction.shape]
    )
    if len(trained) < 32 or not bool(trained.isfinite().all()) or float(trained.std()) == 0:
        return
    for answers in reversed([*passes(case)]):
        raws = [o for a in answers if (o := output_of(a.seen.forward.output)) is not None]
        met = [m for a in answers for m in a.meetings if plain_name(m.operation) not in ("eq", "ne")]
        if any(_is_input(a, m) for a in answers for m in a.meetings):
            continue  # the output changes what the network was given: a step of drawing, not a metric
        met = [m for m in met if m.where(case) == met[0].where(case) and m.truth.shape == m.predicted.shape]
        raw, predicted = concatenated(raws), concatenated([m.predicted for m in met])
        truth = concatenated([m.truth for m in met])
        if not len(raw) == len(predicted) == len(truth) >= 32 or torch.allclose(raw, predicted, rtol=1e-4, atol=1e-6):
            continue
        if not bool(torch.cat([raw, predicted, truth]).isfinite().all()) or float(truth.std()) == 0:
            continue
        scale = truth.std() / trained.std()
        right = raw * scale + (truth.mean() - trained.mean() * scale)
        was, now = (1 - float((p - truth).square().mean() / truth.var(unbiased=False)) for p in (predicted, right))
        if now < _GOOD or now - was < _BETTER_BY:
            continue
        yield Finding(
            "prediction-not-scaled-back",
            "Predictions are scaled back by other numbers than those that the targets were scaled with.",
            "fault",
            0.9,
            (
                Fact(
                    "predictions as they are judged",
                    f"mean {float(predicted.mean()):.4g}, {float(predicted.std()):.4g}",
                ),
                Fact("truth", f"mean {float(truth.mean()):.4g}, spread {float(truth.std()):.4g}"),
            ),
            "prediction * spread + mean, once, with the numbers of the targets (not of the inputs).",
            met[0].where(case),
            Tried("outputs scaled as the targets ask for", f"R2 {was:.3g}", f"R2 {now:.3g}", True),
            explains=("underfits", "target-not-scaled"),
        )
        return
