"""Sums that run on from epoch to epoch, and differences that cancel out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Moved, Printed
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.objective._answers import Answer, Meeting, numbers_in, passes
from chainrule.diagnosis.doctor.checks.objective._comparisons import comparisons, gradients, plain_name
from chainrule.diagnosis.doctor.findings import Fact, Finding

Number = tuple[float, float]
_REPORTS = 3
"""Epochs from which on sums that run on show."""
_FROM = 0.02
"""Relative distance from which a printed loss is not that of its epoch."""


def _reports(case: Case) -> list[tuple[int, list[Number]]]:
    """Epochs: steps taken before, and the numbers that were printed then; those with as many numbers as the last."""
    found: list[tuple[int, list[Number]]] = []
    steps, text = 0, ""
    for event in case.seen.events:
        if isinstance(event, Moved):
            if text:
                found.append((steps, numbers_in(text)))
            steps, text = steps + 1, ""
        elif isinstance(event, Printed) and steps:
            text += event.text + "\n"
    if text:
        found.append((steps, numbers_in(text)))
    usual = max((len(numbers) for _, numbers in found[:-1]), default=0)
    return [(at, numbers[:usual]) for at, numbers in found if usual and len(numbers) >= usual]


@check("metric-not-reset")
def not_reset(case: Case) -> Iterator[Finding]:
    """Shares and losses of an epoch computed again: is what was printed that of all epochs so far?"""
    reports = _reports(case)
    if len(reports) < _REPORTS:
        return
    yield from _share_runs_on(case, [numbers for _, numbers in reports]) or _loss_runs_on(case, reports)


def _share_runs_on(case: Case, reports: list[list[Number]]) -> list[Finding]:
    last = [*passes(case)][-1:]
    if len(case.evaluations) < 2 or not last:
        return []
    meetings = [m for a in last[0] for m in a.meetings if plain_name(m.operation) == "eq"]
    meetings = [m for m in meetings if m.result.shape == m.predicted.shape and m.where(case) == meetings[0].where(case)]
    total = sum(m.result.numel() for m in meetings)
    if not total:
        return []
    right = float(sum(m.result.sum() for m in meetings)) / total
    now, before, n = reports[-1], reports[-2], len(reports)
    if any(abs(value - right) <= half + 1e-9 or abs(value / 100 - right) <= half / 100 for value, half in now):
        return []
    for place, ((value, half), (earlier, _)) in enumerate(zip(now, before)):
        for scale in (1.0, 0.01):
            error = 2.2 * half * scale
            if right <= 0.1 or abs(value * scale - right) < max(0.02, 3 * n * error):
                continue  # what was printed before is too near to tell
            sums = abs((value - earlier) * scale - right) <= error
            means = n * error < 0.01 and abs((value * n - earlier * (n - 1)) * scale - right) <= n * error
            if sums or (means and _are_shares([numbers[place][0] * scale for numbers in reports])):
                return [_running("share that is right", value, right, meetings[0].where(case), "correct = total = 0")]
    return []


def _are_shares(means: list[float]) -> bool:
    """Whether each epoch's own share, were these means of all so far, lies between 0 and 1."""
    own = [b * (k + 2) - a * (k + 1) for k, (a, b) in enumerate(pairwise(means))]
    return all(-0.01 <= share <= 1.01 for share in own)


def _loss_runs_on(case: Case, reports: list[tuple[int, list[Number]]]) -> list[Finding]:
    """The mean loss of each epoch beside the printed numbers: their sum so far, in at least three epochs?"""
    seen, losses = 0, [0.0]
    values: list[tuple[int, float]] = []
    for event in case.seen.events:
        if isinstance(event, Backward):
            losses.append(losses[-1] + event.loss)
        elif isinstance(event, Moved):
            seen += 1
            values.append((seen, losses[-1]))
    at = dict(values)
    ends = [0, *(steps for steps, _ in reports)]
    sizes = [b - a for a, b in pairwise(ends)]
    if min(sizes) < 2 or len(set(sizes)) > 1 or any(end not in at for end in ends[1:]):
        return []
    totals = [at.get(end, 0.0) for end in ends]
    means = [(b - a) / sizes[0] for a, b in pairwise(totals)]
    for place in range(min(len(numbers) for _, numbers in reports)):
        printed = [numbers[place][0] for _, numbers in reports]
        summed = [total / sizes[0] for total in totals[1:]]
        averaged = [total / (sizes[0] * (i + 1)) for i, total in enumerate(totals[1:])]
        for wanted in (summed, averaged):
            near = all(abs(a - b) <= _FROM * abs(b) for a, b in zip(printed, wanted))
            off = sum(abs(a - b) > 2 * _FROM * abs(b) for a, b in zip(printed[1:], means[1:]))
            if near and off >= len(reports) - 2:
                return [_running("mean loss of the epoch", printed[-1], means[-1], "", "total_loss = 0.0")]
    return []


def _running(what: str, printed: float, right: float, where: str, start: str) -> Finding:
    return Finding(
        "metric-not-reset",
        "What is added up runs on from epoch to epoch: what is printed is that of all epochs so far.",
        "fault",
        0.9,
        (Fact("printed at the end", f"{printed:.4g}"), Fact(f"{what}, computed again", f"{right:.4g}")),
        f"`{start}` at the beginning of each epoch, inside the loop.",
        where,
        explains=("metric-divided-wrongly", "metric-of-last-batch", "metric-mean-of-uneven-batches"),
    )


@check("errors-cancel")
def errors_cancel(case: Case) -> Iterator[Finding]:
    """A mean of differences, in which those above and those below cancel out: in the loss, in the metric."""
    if (found := _in_loss(case)) is not None:
        yield found
        return
    for answers in reversed([*passes(case)]):
        meetings = [m for a in answers for m in a.meetings if m.truth.is_floating_point()]
        bare = [m for a in answers for m in a.meetings if m in meetings and _only_averaged(a, m)]
        if not bare or len(bare) < len(meetings):
            continue
        differences = torch.cat([m.result.reshape(-1).double() for m in bare])
        if len(differences) < 8 or not 0.02 < float((differences > 0).double().mean()) < 0.98:
            continue
        yield Finding(
            "errors-cancel",
            "The metric is a mean of signed differences: errors above and below cancel out.",
            "warning",
            0.8,
            (
                Fact("mean of the differences", f"{float(differences.mean()):.4g}"),
                Fact("mean of their sizes", f"{float(differences.abs().mean()):.4g}"),
            ),
            "(predicted - truth).abs().mean(), or the root of the mean square.",
            bare[0].where(case),
        )
        return


def _only_averaged(answer: Answer, meeting: Meeting) -> bool:
    """Whether a difference goes into a mean or sum as it is, and nowhere else."""
    if plain_name(meeting.operation) not in ("-", "sub", "rsub"):
        return False
    after = answer.consumers(meeting.operation.results[0])
    return bool(after) and all(plain_name(o) in ("mean", "sum") for o in after)


def _in_loss(case: Case) -> Finding | None:
    """The gradient is the same at all predictions, whatever their errors are."""
    each = next(iter(comparisons(case)), None)
    if each is None or each.kind != "own" or plain_name(each.criterion.operation) not in ("-", "sub", "rsub"):
        return None
    target: Tensor | None = each.target
    if target is None or target.shape != each.prediction.shape or target.numel() < 8:
        return None
    error = each.prediction - target
    gradient = gradients(each.batch, case.rehearsal.start(), [each.criterion.prediction]).get(each.criterion.prediction)
    if gradient is None or not bool(gradient.isfinite().all()) or not 0.02 < float((error > 0).float().mean()) < 0.98:
        return None
    size = float(gradient.abs().max())
    if size == 0 or float((gradient - gradient.mean()).abs().max()) > 1e-4 * size:
        return None
    return Finding(
        "errors-cancel",
        "The loss is made of the mean of signed differences: errors above and below cancel out, and none is punished.",
        "fault",
        0.96,
        (
            Fact("gradient at the predictions", "the same for all, whatever the error"),
            Fact("predictions above their targets, in the first step", f"{float((error > 0).float().mean()):.0%}"),
        ),
        "Square (or take the size of) each difference before the mean: F.mse_loss(prediction, target).",
        each.where(case),
        explains=("loss-with-wrong-sign", "underfits", "loss-diverges", "loss-does-not-move"),
    )
