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
    passes,
    printed_after,
    said,
)
from chainrule.diagnosis.doctor.checks.objective._comparisons import CLASSES, comparisons, plain_name
from chainrule.diagnosis.doctor.findings import Fact, Finding

_MATTERS = 0.005
"""Difference of a metric from which a wrong way to average it matters."""


@check("metric-of-last-batch", "metric-mean-of-uneven-batches", "metric-divided-wrongly")
def slips_over_batches(case: Case) -> Iterator[Finding]:
    """The right share over the whole pass, and those of the named slips: which one was printed?"""
    votes: list[tuple[str, Finding]] = []
    for answers in passes(case):
        counted = [_counted(answer) for answer in answers]
        numbers = printed_after(case, answers)
        if not answers or not numbers or any(each is None for each in counted):
            continue
        pairs = [each for each in counted if each is not None]
        right, total = sum(hit for hit, _, _ in pairs), sum(size for _, size, _ in pairs)
        if not total or said(numbers, right / total) or said(numbers, 1 - right / total):
            return
        hits, sizes = [hit for hit, _, _ in pairs], [size for _, size, _ in pairs]
        if not _one_pass(hits, sizes, numbers):
            return
        sizes_known = [sum(hits) / size for size in _other_sizes(case) if abs(size - total) > 1]
        if len(answers) < 2:
            match = [value for value in sizes_known if value > 0.02 and said(numbers, value)]
            if match:
                votes.append(("divided", _slip("divided", match[0], right / total, 1, pairs[-1][2].where(case))))
                continue
            return
        slips = {
            "last": {hits[-1] / total, *([hits[-1] / sizes[-1]] if len(pairs) > 2 else [])},
            "mean": {sum(hit / size for hit, size in zip(hits, sizes)) / len(pairs)},
            "divided": {sum(hits) / len(pairs), sum(hits) / (len(pairs) * sizes[0]), *sizes_known},
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


def _other_sizes(case: Case) -> set[int]:
    """Numbers of examples of other parts of the data: those that were trained on, those of other loaders."""
    trained = [f.rows for f in case.forwards if f.learning and f.rows is not None]
    found = {len(torch.unique(torch.cat(trained))), sum(len(rows) for rows in trained)} if trained else set()
    return {size for size in found | {each.get("size") or 0 for each in case.seen.loaders} if size > 0}


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
                    if (padding >= 0 and _one_each(answer, meeting)) or masked(answer, meeting.operation.results[0]):
                        continue
                    yield _padded(case, meeting, padded, answers)
                    return


def _one_each(answer: Answer, meeting: Meeting) -> bool:
    """Whether each example has one target: nothing is padded there."""
    inputs = answer.seen.forward.inputs
    return meeting.truth.ndim == 1 and inputs is not None and len(meeting.truth) == inputs.shape[0]


def masked(answer: Answer, value: int) -> bool:
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
