"""Metrics that are computed again from what the network answered, and compared with what was printed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.objective._answers import (
    EQUAL,
    MASKING,
    Answer,
    Meeting,
    axis_given,
    passes,
    printed_after,
    said,
)
from chainrule.diagnosis.doctor.checks.objective._comparisons import CLASSES, comparisons, plain_name
from chainrule.diagnosis.doctor.findings import Fact, Finding

_MATTERS = 0.005
"""Difference of a metric from which a wrong way to average it matters."""
_FEW = 20
"""Examples below which one answer for all is no wonder."""


@check("metric-of-last-batch", "metric-mean-of-uneven-batches", "metric-divided-wrongly")
def slips_over_batches(case: Case) -> Iterator[Finding]:
    """The right share over the whole pass, and those of the named slips: which one was printed?"""
    votes: list[tuple[str, Finding]] = []
    for answers in passes(case):
        counted = [_counted(answer) for answer in answers]
        numbers = printed_after(case, answers)
        if len(answers) < 2 or not numbers or any(each is None for each in counted):
            continue
        pairs = [each for each in counted if each is not None]
        right, total = sum(hit for hit, _, _ in pairs), sum(size for _, size, _ in pairs)
        if not total or said(numbers, right / total) or said(numbers, 1 - right / total):
            return
        hits, sizes = [hit for hit, _, _ in pairs], [size for _, size, _ in pairs]
        if not _one_pass(hits, sizes, numbers):
            return
        slips = {
            "last": {hits[-1] / total, *([hits[-1] / sizes[-1]] if len(pairs) > 2 else [])},
            "mean": {sum(hit / size for hit, size in zip(hits, sizes)) / len(pairs)},
            "divided": {sum(hits) / len(pairs), sum(hits) / (len(pairs) * sizes[0])},
        }
        where = pairs[-1][2].where(case)
        for name, values in slips.items():
            match = [value for value in values if said(numbers, value) and value != right / total]
            if match:
                votes.append((name, _slip(name, match[0], right / total, len(pairs), where)))
                break
        else:
            return
    if votes and len({name for name, _ in votes}) == 1:
        yield votes[-1][1]


def _one_pass(hits: list[float], sizes: list[int], numbers: list[tuple[float, float]]) -> bool:
    """Whether the calls are batches of one pass, and not several parts that are each reported."""
    alike = all(size == sizes[0] for size in sizes[:-1]) and sizes[-1] <= sizes[0]
    return alike and not any(said(numbers, hit / size) for hit, size in zip(hits[:-1], sizes))


def _counted(answer: Answer) -> tuple[float, int, Meeting] | None:
    """How many predictions of a call were right, and of how many."""
    found = [m for m in answer.meetings if plain_name(m.operation) == "eq" and m.result.shape == m.predicted.shape]
    if not found:
        return None
    return float(found[0].result.sum()), found[0].result.numel(), found[0]


def _slip(name: str, printed: float, right: float, batches: int, where: str) -> Finding:
    facts = (
        Fact("printed", f"{printed:.4f}"),
        Fact("over all batches", f"{right:.4f}"),
        Fact("batches", str(batches)),
    )
    if name == "last":
        return Finding(
            "metric-of-last-batch",
            "The metric is of the last batch alone: what the others had is lost.",
            "fault",
            0.96,
            facts,
            "Add up over the batches (+=), then divide by the number of all examples.",
            where,
        )
    much = abs(printed - right) > _MATTERS
    if name == "divided":
        return Finding(
            "metric-divided-wrongly",
            "What was right is divided by something else than the number of examples.",
            "fault" if abs(printed - right) > 0.1 else "warning" if much else "note",
            0.93 if much else 0.5,
            facts,
            "Divide by the number of all examples that were compared.",
            where,
        )
    return Finding(
        "metric-mean-of-uneven-batches",
        "The metric is a mean of the batches' means, and the last batch is smaller: its examples count more.",
        "warning" if much else "note",
        0.55,
        facts,
        "Add up what is right and divide by the number of all examples.",
        where,
    )


@check("padding-in-metric")
def padded_places(case: Case) -> Iterator[Finding]:
    """Places that the loss leaves out, and that the metric counts."""
    ignored = {
        each.criterion.options["ignore_index"]
        for each in comparisons(case)
        if each.kind in CLASSES and isinstance(each.criterion.options.get("ignore_index"), int)
    }
    for answers in passes(case):
        for answer in answers:
            for meeting in answer.meetings:
                if plain_name(meeting.operation) not in EQUAL or meeting.result.shape != meeting.predicted.shape:
                    continue
                for padding in ignored:
                    padded = meeting.truth == padding
                    if not bool(padded.any()) or (meeting.truth.ndim < 2 and len(answer.outputs) == 0):
                        continue
                    if (padding >= 0 and _one_each(answer, meeting)) or _masked(answer, meeting.operation.results[0]):
                        continue
                    yield _padded(case, meeting, padded, answers)
                    return


def _one_each(answer: Answer, meeting: Meeting) -> bool:
    """Whether each example has one target: nothing is padded there."""
    inputs = answer.seen.forward.inputs
    return meeting.truth.ndim == 1 and inputs is not None and len(meeting.truth) == inputs.shape[0]


def _masked(answer: Answer, value: int) -> bool:
    """Whether a mask meets the hits before they are added up; what becomes of them out of sight counts as that."""
    todo, seen = [value], set()
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        after = answer.consumers(current)
        for operation in after:
            if plain_name(operation) in MASKING and len(operation.inputs) > 1:
                return True
            if plain_name(operation) not in ("sum", "mean", "count_nonzero"):
                todo.extend(operation.results)
        if not after and current != value:
            return True
    return not answer.consumers(value)


def _padded(case: Case, meeting: Meeting, padded: Tensor, answers: list[Answer]) -> Finding:
    hit = meeting.result if plain_name(meeting.operation) == "eq" else ~meeting.result
    everything, real = float(hit.float().mean()), float(hit[~padded].float().mean())
    numbers = printed_after(case, answers)
    shown = said(numbers, everything) or said(numbers, 1 - everything)
    return Finding(
        "padding-in-metric",
        "Padded places, which the loss leaves out, count in the metric.",
        "fault",
        0.96 if shown else 0.85,
        (
            Fact("places that are padding", f"{float(padded.float().mean()):.0%}"),
            Fact("right, padding counted" + (" (as printed)" if shown else ""), f"{everything:.4f}"),
            Fact("right at real places", f"{real:.4f}"),
        ),
        "real = targets != PAD; (predicted == targets)[real].float().mean().",
        meeting.where(case),
    )


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
