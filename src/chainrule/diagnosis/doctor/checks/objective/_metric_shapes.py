"""Shapes and axes in the metric, and predictions that are all the same."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.objective._answers import Answer, axis_given, passes
from chainrule.diagnosis.doctor.checks.objective._comparisons import CLASSES, comparisons, plain_name
from chainrule.diagnosis.doctor.findings import Fact, Finding

_FEW = 20
"""Examples below which one answer for all is no wonder."""


@check("metric-broadcasts", "argmax-over-wrong-axis", "argmax-of-one-score")
def metric_shapes(case: Case) -> Iterator[Finding]:
    """Shapes in the metric: predictions against targets, and the axis of the classes."""
    classes = {
        each.prediction.shape[each.classes]
        for each in comparisons(case)
        if each.kind in CLASSES and each.prediction.ndim
    }
    for answers in passes(case):
        for answer in answers:
            yield from _spread(case, answer)
            yield from _axis(case, answer, classes)


def _spread(case: Case, answer: Answer) -> Iterator[Finding]:
    for meeting in answer.meetings:
        given, wanted, got = meeting.predicted, meeting.truth, meeting.result
        name = plain_name(meeting.operation)
        size = got.numel() if name in ("eq", "ne", "-", "sub", "rsub") else 0
        if size > given.numel() == wanted.numel() and given.ndim != wanted.ndim:
            yield Finding(
                "metric-broadcasts",
                f"Predictions {tuple(given.shape)} meet targets {tuple(wanted.shape)} in the metric: all against all.",
                "fault",
                0.95,
                (
                    Fact("predictions", str(tuple(given.shape))),
                    Fact("targets", str(tuple(wanted.shape))),
                    Fact("compared", f"{size:,} pairs, not {given.numel():,}"),
                ),
                "squeeze(-1) the predictions: equal shapes.",
                meeting.where(case),
                explains=("metric-of-last-batch",),
            )


def _axis(case: Case, answer: Answer, classes: set[int]) -> Iterator[Finding]:
    for operation in answer.after:
        if plain_name(operation) not in ("argmax", "max") or not operation.inputs:
            continue
        axis, shape = axis_given(operation), answer.tape.values[operation.inputs[0]].shape
        if axis is None or not -len(shape) <= axis < len(shape) or operation.inputs[0] not in answer.derived:
            continue
        where = case.place(answer.seen.lines.get(operation.index))
        size = shape[axis]
        if size == 1 and shape and plain_name(operation) == "argmax":
            yield Finding(
                "argmax-of-one-score",
                "argmax over a single score is always 0.",
                "fault",
                0.93,
                (Fact("scores", str(tuple(shape))),),
                "One score: compare it with a threshold (0 for a logit, 0.5 for a probability).",
                where,
                explains=("one-answer-for-all",),
            )
        elif len(classes) == 1 and size not in classes and set(shape) & classes and plain_name(operation) == "argmax":
            right = shape.index(next(iter(classes)))
            yield Finding(
                "argmax-over-wrong-axis",
                f"argmax runs along axis {axis} of {tuple(shape)}; the classes are along axis {right}.",
                "fault",
                0.93,
                (Fact("scores", str(tuple(shape))), Fact("classes", str(next(iter(classes))))),
                f"argmax({right}).",
                where,
            )


@check("one-answer-for-all")
def one_answer(case: Case) -> Iterator[Finding]:
    """All predictions of the last pass are the same class, and the targets are not."""
    last: list[list[Answer]] = [*passes(case)][-1:]
    for answers in last:
        meetings = [m for a in answers for m in a.meetings if plain_name(m.operation) == "eq"][: len(answers)]
        predicted = {int(v) for m in meetings for v in torch.unique(m.predicted).tolist()}
        truths = [m.truth.reshape(-1) for m in meetings]
        count = sum(len(t) for t in truths)
        kinds = {int(v) for t in truths for v in torch.unique(t).tolist()}
        if len(predicted) != 1 or len(kinds) < 2 or count < _FEW or any(m.predicted.numel() < 2 for m in meetings):
            continue
        same = sum(int((t == next(iter(predicted))).sum()) for t in truths) / count
        yield Finding(
            "one-answer-for-all",
            "At the end the network gives one answer for every example.",
            "warning",
            0.5,
            (Fact("the answer", str(next(iter(predicted)))), Fact("share of the targets that are it", f"{same:.0%}")),
            "Look for the cause above: it has learned no more than how frequent the classes are.",
            meetings[-1].where(case),
        )
