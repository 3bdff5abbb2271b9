"""Predictions and what they are judged by: in the same units, on the right side of the threshold."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Case, output_of
from chainrule.diagnosis.doctor._events import Measured
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.objective._answers import (
    THRESHOLDS,
    Answer,
    concatenated,
    passes,
    threshold_of,
)
from chainrule.diagnosis.doctor.checks.objective._comparisons import comparisons, plain_name
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

_APART = 3.0
"""Spreads of the training targets by which the mean must be off, or factor between the spreads: a validation part that
is drawn like the training part is within a tenth."""
_ALIKE = 0.3
"""Correlation from which predictions and truth are of the same quantity."""
_PLAIN = frozenset(
    [
        "squeeze",
        "view",
        "reshape",
        "flatten",
        "index",
        "select",
        "unsqueeze",
        "float",
        "double",
        "cpu",
        "detach",
        "contiguous",
        "to",
        "t",
        "T",
    ]
)
_ORDERED = ("r2_score", "explained_variance_score", "precision_score", "recall_score", "balanced_accuracy_score")
"""Metrics that are another number when their arguments are exchanged."""
_VARIED = 8
"""Different numbers from which on it is no chance that some are others, scaled."""
_LINEAR = 1 - 1e-6
"""Correlation from which on they are, but for rounding."""
_ERRORS = (
    "r2_score",
    "explained_variance_score",
    "mean_squared_error",
    "root_mean_squared_error",
    "mean_absolute_error",
)


@check("wrong-threshold")
def threshold(case: Case) -> Iterator[Finding]:
    """What is compared with a number: a probability with a half, a score with zero."""
    kinds = {each.kind for each in comparisons(case)}
    for answers in reversed([*passes(case)]):
        for answer in answers:
            for operation in answer.after:
                limit = threshold_of(operation) if plain_name(operation) in THRESHOLDS else None
                if limit is None or (found := _threshold(answer, operation, limit, kinds)) is None:
                    continue
                title, change, facts, sure = found
                yield Finding(
                    "wrong-threshold",
                    title,
                    "fault",
                    sure,
                    facts,
                    change,
                    case.place(answer.seen.lines.get(operation.index)),
                    explains=("one-answer-for-all",),
                )
                return


def _threshold(
    answer: Answer, operation: Operation, limit: float, kinds: set[str]
) -> tuple[str, str, tuple[Fact, ...], float] | None:
    value = operation.inputs[0]
    compared, last = answer.tensor(value), _last_change(answer, value)
    if compared is None or not compared.is_floating_point() or compared.numel() < 2 or last is None:
        return None
    low, high = float(compared.min()), float(compared.max())
    name = plain_name(last)
    facts = (
        Fact("compared with", f"{limit:g}"),
        Fact("what is compared", f"{low:.3g} to {high:.3g}, {'from ' + name}"),
    )
    if name in ("sigmoid", "softmax") and limit in (0.0, 1.0) and plain_name(operation) != "round":
        whole = "positive" if limit == 0.0 else "negative"
        return f"Probabilities are compared with {limit:g}: all are called {whole}.", "Compare with 0.5.", facts, 0.97
    scores = "binary cross entropy with logits" in kinds and len(kinds) == 1
    if scores and limit == 0.5 and name not in ("sigmoid", "softmax", "exp") and _untouched(answer, value):
        return (
            "Scores are compared with 0.5, which is meant for probabilities.",
            "Compare scores with 0, or take the sigmoid first.",
            facts,
            0.9,
        )
    return None


def _last_change(answer: Answer, value: int) -> Operation | None:
    operation = answer.made.get(value)
    while operation is not None and plain_name(operation) in _PLAIN and operation.inputs:
        value = operation.inputs[0]
        operation = answer.made.get(value)
    return operation


def _untouched(answer: Answer, value: int) -> bool:
    """Whether a value is the output itself, but for its shape."""
    while value not in answer.outputs:
        operation = answer.made.get(value)
        if operation is None or plain_name(operation) not in _PLAIN or not operation.inputs:
            return False
        value = operation.inputs[0]
    return True


@check("prediction-not-scaled-back")
def units_of_the_metric(case: Case) -> Iterator[Finding]:
    """The truth that predictions are judged by, beside the targets that they were trained on."""
    trained = concatenated(
        [
            each.target
            for each in comparisons(case)
            if each.target is not None
            and each.target.is_floating_point()
            and each.target.shape == each.prediction.shape
        ]
    )
    if len(trained) < 8 or not bool(trained.isfinite().all()):
        return
    for predicted, truth, where in _judged(case):
        if len(predicted) != len(truth) or len(truth) < 8 or not bool(torch.cat([predicted, truth]).isfinite().all()):
            continue
        if not _other_units(trained, truth) or _other_units(trained, predicted):
            continue
        together = float(torch.corrcoef(torch.stack([predicted, truth]))[0, 1])
        if not together > _ALIKE:
            continue
        r2 = 1 - float((predicted - truth).square().mean() / truth.var(unbiased=False))
        yield Finding(
            "prediction-not-scaled-back",
            "Predictions in the units of the training targets are judged by targets in other units.",
            "fault",
            0.96,
            (
                Fact("training targets", f"mean {float(trained.mean()):.4g}, spread {float(trained.std()):.4g}"),
                Fact("judged by", f"mean {float(truth.mean()):.4g}, spread {float(truth.std()):.4g}"),
                Fact("predictions", f"mean {float(predicted.mean()):.4g}, spread {float(predicted.std()):.4g}"),
                Fact("their correlation", f"{together:.3f}"),
            ),
            "prediction * spread + mean (the scaler's inverse_transform) before the metric.",
            where,
            Tried("predictions scaled to the truth", f"R2 {r2:.3g}", f"R2 {together**2:.3g}", True),
            explains=("underfits", "target-not-scaled"),
        )
        return


@check("metric-arguments-exchanged")
def exchanged(case: Case) -> Iterator[Finding]:
    """Whether what a metric takes for the truth is what the network gave."""
    for answers in passes(case):
        given = [o for a in answers if (o := output_of(a.seen.forward.output)) is not None]
        made = [concatenated(given)]
        made += (
            [concatenated([o.argmax(-1) for o in given])] if all(o.ndim > 1 and o.shape[-1] > 1 for o in given) else []
        )
        made += [(made[0] > limit).double() for limit in (0.0, 0.5)]
        for measured in case.seen.of(Measured):
            if measured.name not in _ORDERED or measured.truth is None or measured.predicted is None:
                continue
            truth, predicted = (torch.from_numpy(a).double().reshape(-1) for a in (measured.truth, measured.predicted))
            first, second = _among(truth, made), _among(predicted, made)
            if not first and not second and len(torch.unique(truth)) > _VARIED:  # scaled back outside of torch
                first, second = _along(truth, made[0]), _along(predicted, made[0])
            if not first or second or len(torch.unique(truth)) < 2:
                continue
            yield Finding(
                "metric-arguments-exchanged",
                f"{measured.name} is given the predictions as the truth, and the truth as predictions.",
                "fault",
                0.94,
                (Fact("first argument", "what the network gave"), Fact("value", str(measured.value)[:12])),
                f"{measured.name}(truth, predictions).",
                case.place(measured.line),
            )
            return


def _among(array: Tensor, made: list[Tensor]) -> bool:
    return any(len(array) == len(each) and torch.allclose(array, each, rtol=1e-4, atol=1e-5) for each in made)


def _along(array: Tensor, made: Tensor) -> bool:
    """Whether numbers are others times a factor, and a constant more."""
    if len(array) != len(made) or not bool(array.isfinite().all()) or not bool(made.isfinite().all()):
        return False
    spread = float(array.std()), float(made.std())
    together = torch.corrcoef(torch.stack([array, made]))[0, 1] if min(spread) > 0 else torch.zeros(())
    return bool(together.abs() > _LINEAR)


def _other_units(trained: Tensor, other: Tensor) -> bool:
    spread, ratio = float(trained.std()), float(other.std() / trained.std().clamp_min(1e-12))
    return abs(float(other.mean() - trained.mean())) > _APART * spread or ratio > _APART


def _judged(case: Case) -> Iterator[tuple[Tensor, Tensor, str]]:
    """Raw outputs and the truth that they are compared with."""
    for answers in passes(case):
        raw = concatenated([o for a in answers if (o := output_of(a.seen.forward.output)) is not None])
        for measured in case.seen.of(Measured):
            if measured.name not in _ERRORS or measured.truth is None or measured.predicted is None:
                continue
            predicted = torch.from_numpy(measured.predicted).double().reshape(-1)
            truth = torch.from_numpy(measured.truth).double().reshape(-1)
            if len(predicted) == len(raw) and torch.allclose(predicted, raw, rtol=1e-4, atol=1e-5):
                yield predicted, truth, case.place(measured.line)
        for answer in answers:
            for meeting in answer.meetings:
                index = next(i for i in meeting.operation.inputs if i in answer.derived)
                floating = meeting.truth.is_floating_point() and meeting.truth.shape == meeting.predicted.shape
                if floating and plain_name(meeting.operation) != "eq" and _untouched(answer, index):
                    yield concatenated([meeting.predicted]), concatenated([meeting.truth]), meeting.where(case)
