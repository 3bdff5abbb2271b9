"""What a network answers is right, and is counted as wrong: other names of the classes, scores for classes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Measured
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.objective._answers import Answer, Meeting, passes
from chainrule.diagnosis.doctor.checks.objective._comparisons import plain_name
from chainrule.diagnosis.doctor.checks.objective._metric_slips import masked
from chainrule.diagnosis.doctor.findings import Fact, Finding

_ENOUGH = 40
"""Examples from which a share says something."""
_MOST = 300
"""Classes up to which they are told apart."""
_MORE = 0.25
"""How much more must be right under other names: a network that learns badly is right under no names."""
_RIGHT = 0.6
"""Share that must be right under other names."""
_UPSIDE_DOWN = 0.25
"""Area under the curve below which a ranking is turned round: one that knows nothing has a half."""
_RANKS = ("roc_auc_score", "average_precision_score")
_DECISIONS = ("accuracy_score", "balanced_accuracy_score", "f1_score", "matthews_corrcoef", "cohen_kappa_score")


@check("answers-under-other-names", "decision-inverted", "scores-for-classes-in-metric", "metric-over-entries")
def named_otherwise(case: Case) -> Iterator[Finding]:
    """Predictions beside the truth: are they right once classes are renamed one to one?"""
    for answers in reversed([*passes(case)]):
        meetings = [m for answer in answers for m in _equal(answer)]
        alike = [m for m in meetings if m.where(case) == meetings[0].where(case)]
        if not alike:
            continue
        predicted = torch.cat([m.predicted.reshape(-1).double() for m in alike])
        truth = torch.cat([m.truth.reshape(-1).double() for m in alike])
        where = alike[0].where(case)
        found = (
            _scores(predicted, truth, where)
            or _entries([m for m in alike if m.truth.ndim == 2], where)
            or _renamed(predicted, truth, where)
        )
        if found is not None:
            yield found
            return
    for measured in reversed(case.seen.of(Measured)):
        if measured.name not in _DECISIONS or measured.truth is None or measured.predicted is None:
            continue
        if measured.truth.shape == measured.predicted.shape and measured.truth.ndim == 1:
            given = [torch.from_numpy(a).double() for a in (measured.predicted, measured.truth)]
            if (found := _renamed(given[0], given[1], case.place(measured.line))) is not None:
                yield found
            return


def _equal(answer: Answer) -> list[Meeting]:
    return [
        m
        for m in answer.meetings
        if plain_name(m.operation) == "eq"
        and m.predicted.shape == m.truth.shape
        and m.truth.numel()
        and not masked(answer, m.operation.results[0])
    ]


def _scores(predicted: Tensor, truth: Tensor, where: str) -> Finding | None:
    """Numbers that are no classes, compared with classes for equality."""
    broken = float((predicted != predicted.round()).double().mean())
    if broken < 0.5 or bool((truth != truth.round()).any()) or len(truth) < _ENOUGH:
        return None
    return Finding(
        "scores-for-classes-in-metric",
        "Scores are compared with classes for equality: hardly any will ever be equal.",
        "fault",
        0.95,
        (
            Fact("predictions that are no whole numbers", f"{broken:.0%}"),
            Fact("for example", ", ".join(f"{v:.3g}" for v in predicted[:3].tolist())),
        ),
        "argmax(1), or the second of what max(1) returns: max(1).indices; of one score a threshold.",
        where,
        explains=("one-answer-for-all", "metric-divided-wrongly"),
    )


def _entries(meetings: list[Meeting], where: str) -> Finding | None:
    """The entries of one-hot rows are counted, of which nearly all are zero whatever is predicted."""
    if not meetings:
        return None
    truth = torch.cat([m.truth.double() for m in meetings if m.truth.shape[1] == meetings[0].truth.shape[1]])
    one_hot = bool(((truth == 0) | (truth == 1)).all()) and bool((truth.sum(1) == 1).all())
    if not one_hot or truth.shape[1] < 3 or len(truth) < _ENOUGH:
        return None
    hits = torch.cat([m.result.double() for m in meetings if m.truth.shape[1] == meetings[0].truth.shape[1]])
    return Finding(
        "metric-over-entries",
        "Entries of one-hot rows are counted, not examples: predicting no class at all would be mostly right.",
        "warning",
        0.8,
        (
            Fact("entries that are right", f"{float(hits.mean()):.1%}"),
            Fact("rows that are right as a whole", f"{float(hits.min(1).values.mean()):.1%}"),
            Fact("entries that are right without any prediction", f"{1 - 1 / truth.shape[1]:.1%}"),
        ),
        "scores.argmax(1) == classes.",
        where,
    )


def _renamed(predicted: Tensor, truth: Tensor, where: str) -> Finding | None:
    """Whether another naming, one to one, makes far more of them right."""
    if len(truth) < _ENOUGH or not bool((predicted == predicted.round()).all() & (truth == truth.round()).all()):
        return None
    given, mine = torch.unique(predicted, return_inverse=True)
    wanted, theirs = torch.unique(truth, return_inverse=True)
    if not 2 <= len(wanted) <= _MOST or not 2 <= len(given) <= _MOST:
        return None
    counts = torch.zeros(len(given), len(wanted), dtype=torch.double)
    counts.index_put_((mine, theirs), torch.ones(len(truth), dtype=torch.double), accumulate=True)
    right, names = 0.0, {}
    left = counts.clone()
    for _ in range(min(counts.shape)):
        best = int(left.argmax())
        row, column = divmod(best, counts.shape[1])
        right += float(counts[row, column])
        names[int(given[row])] = int(wanted[column])
        left[row], left[:, column] = -1.0, -1.0
    share, plain = right / len(truth), float((predicted == truth).double().mean())
    moved = sum(a != b for a, b in names.items())
    if share < _RIGHT or share - plain < _MORE or 2 * moved < len(names):
        return None
    inverted = len(wanted) == 2 and len(given) == 2 and bool((given == wanted).all())
    naming = ", ".join(f"{a} for {b}" for a, b in sorted(names.items(), key=lambda pair: pair[1])[:6])
    return Finding(
        "decision-inverted" if inverted else "answers-under-other-names",
        "What is called yes is no: the decision is the wrong way round."
        if inverted
        else "What is predicted is mostly right, under other numbers of the classes than those that the metric uses.",
        "fault",
        0.92,
        (
            Fact("right as it is counted", f"{plain:.1%}"),
            Fact("right once classes are renamed one to one", f"{share:.1%}"),
            Fact("what is predicted, and where", naming),
        ),
        "Turn the comparison round (score > threshold for class 1)."
        if inverted
        else "The same numbers of the classes in training and metric: from 0 on, or -1 and 1 in both.",
        where,
        explains=("overfits", "metric-divided-wrongly"),
    )


@check("ranking-upside-down", "ranking-metric-of-decisions")
def rankings(case: Case) -> Iterator[Finding]:
    """An area under a curve: of scores, of the class that counts as positive?"""
    for measured in reversed(case.seen.of(Measured)):
        truth, predicted = measured.truth, measured.predicted
        if measured.name not in _RANKS or truth is None or predicted is None or len(truth) < _ENOUGH:
            continue
        where, value = case.place(measured.line), float(measured.value)
        kinds = sorted({float(v) for v in predicted.reshape(-1)[:2000].tolist()})
        if truth.ndim == 1 and predicted.shape == truth.shape and len(kinds) == 2 and not set(kinds) - {0.0, 1.0, -1.0}:
            yield Finding(
                "ranking-metric-of-decisions",
                f"{measured.name} is given decisions, not scores: it cannot rank, and is too low.",
                "warning",
                0.8,
                (Fact("what it is given", f"only {kinds[0]:g} and {kinds[1]:g}"), Fact("value", f"{value:.4f}")),
                f"{measured.name}(truth, scores), before any threshold or rounding.",
                where,
            )
        elif measured.name == "roc_auc_score" and value < _UPSIDE_DOWN:
            yield Finding(
                "ranking-upside-down",
                "The scores rank well, the wrong way round: they are those of the other class.",
                "fault",
                0.9,
                (Fact("area under the curve", f"{value:.3f}"), Fact("turned round", f"{1 - value:.3f}")),
                "The score of the class that the truth calls 1: probabilities[:, 1].",
                where,
            )
        return
