"""The criterion and the task: do they belong together, and does the loss begin where such a loss begins?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.analysis._replay import leave_out
from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Measured
from chainrule.diagnosis.doctor._rehearse import State
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import BURST, STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._answers import passes
from chainrule.diagnosis.doctor.checks.objective._comparisons import (
    BINARY,
    CLASSES,
    PLAIN,
    Comparison,
    changes,
    comparisons,
    everywhere,
    plain_name,
    tail,
)
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried
from chainrule.training.probe import near_ignorance

_FAR = 10.0
"""Factor of a temperature from which it may do harm."""
_BETTER = 4.0
"""Times as far as with the factor that the loss must fall without it."""
_FALLS = 0.05
"""Share of the first loss by which it must fall without the factor."""
_MOST = 200
"""Classes up to which whole-number targets of a squared error may be classes."""


@check("initial-loss-off")
def initial_loss(case: Case) -> Iterator[Finding]:
    """The loss before anything is learned: log of the number of classes, log 2, spread of the target."""
    each = next(iter(comparisons(case)), None)
    if each is None or not case.losses or len(each.batch.criteria) != 1 or not math.isfinite(case.losses[0]):
        return
    expected = _expected(each)
    result = each.values.get(each.criterion.operation.results[0])
    if expected is None or result is None:
        return
    value, what = expected
    first = float(result.double().mean())
    if each.criterion.options.get("reduction") == "sum":
        first /= max(each.prediction.numel() / _width(each), 1)
    if near_ignorance(first, value):
        return
    yield Finding(
        "initial-loss-off",
        f"The loss begins at {first:.4g}, not near {value:.4g} ({what}).",
        "note",
        0.5,
        (Fact("first loss", f"{first:.4g}"), Fact("expected", f"{value:.4g}: {what}")),
        "Look at the scale of the last layer and of the targets; a small last layer begins at the expected value.",
        each.where(case),
    )


def _width(each: Comparison) -> int:
    return each.prediction.shape[each.classes] if each.kind in CLASSES else 1


def _expected(each: Comparison) -> tuple[float, str] | None:
    if each.kind in CLASSES:
        classes = each.prediction.shape[each.classes]
        return math.log(max(classes, 2)), f"log of {classes} classes"
    if each.kind in BINARY:
        return math.log(2), "log 2"
    target = each.target
    fits = target is not None and target.shape == each.prediction.shape and len(target) > 4
    if each.kind == "squared error" and target is not None and fits:
        return float(target.double().square().mean()), "mean square of the targets"
    return None


@check("softmax-on-several-true-classes")
def several_true(case: Case) -> Iterator[Finding]:
    """A softmax makes one class win; targets of which several are true want a sigmoid for each."""
    for each in comparisons(case):
        target = each.target
        if (
            target is None
            or target.ndim != 2
            or target.shape != each.prediction.shape
            or not target.is_floating_point()
        ):
            continue
        names = [plain_name(o) for o in changes(each.batch, each.criterion.prediction)]
        softmax = each.kind == "cross entropy" or (each.kind == BINARY[0] and names[:1] == ["softmax"])
        several = float((target.sum(1) > 1.5).float().mean())
        if not softmax or several < 0.05 or not bool(((target == 0) | (target == 1)).all()):
            continue
        yield Finding(
            "softmax-on-several-true-classes",
            "Several classes may be true at once, and a softmax lets only one win.",
            "fault",
            0.93,
            (Fact("examples with several true classes", f"{several:.0%}"),),
            "binary_cross_entropy_with_logits on the scores: a sigmoid for each class.",
            each.where(case),
            explains=STANDSTILL,
        )
        return


@check("squared-error-on-classes", "binary-loss-on-exclusive-classes")
def wrong_criterion(case: Case) -> Iterator[Finding]:
    """Numbers of classes as if they were amounts; yes or no for each of several classes of which one is true."""
    for each in comparisons(case):
        target = each.target
        if target is None or target.shape != each.prediction.shape:
            continue
        if each.kind in PLAIN and (found := _class_numbers(case, each, target)) is not None:
            yield found
            return
        one_hot = target.ndim == 2 and target.numel() >= 8 and target.shape[1] > 2 and _one_hot(target)
        if one_hot and each.kind in (*PLAIN, *BINARY):
            binary = each.kind in BINARY
            yield Finding(
                "binary-loss-on-exclusive-classes" if binary else "squared-error-on-classes",
                f"{each.kind.capitalize()} on one-hot targets, of which one is true: cross entropy fits better.",
                "note",
                0.4,
                (Fact("targets", f"one of {target.shape[1]} classes for each example"),),
                "cross_entropy(scores, class numbers).",
                each.where(case),
            )
            return


def _one_hot(target: Tensor) -> bool:
    return bool(((target == 0) | (target == 1)).all()) and bool((target.sum(1) == 1).all())


def _class_numbers(case: Case, each: Comparison, target: Tensor) -> Finding | None:
    """One output that should be the number of a class, judged by whether it is that class."""
    wide = target.ndim > 1 and target.shape[1:].numel() > 1
    if wide or not _judged_by_equality(case):
        return None
    flat = target.reshape(-1)
    if len(flat) < 32:
        flat = _all_targets(case, each)
    if len(flat) < 8:
        return None
    kinds = torch.unique(flat)
    whole = bool((flat == flat.round()).all()) and float(kinds[0]) in (0.0, 1.0) and 3 <= len(kinds) <= _MOST
    if not whole:
        return None
    return Finding(
        "squared-error-on-classes",
        "The numbers of classes are learned as if they were amounts: class 2 as what lies between 1 and 3.",
        "fault",
        0.85,
        (Fact("targets", f"{len(kinds)} whole numbers"), Fact("outputs for an example", "1"), Fact("judged by", "==")),
        "As many scores as there are classes, and cross_entropy(scores, class numbers).",
        each.where(case),
        explains=("initial-loss-off", "metric-broadcasts", "target-not-scaled"),
    )


def _all_targets(case: Case, each: Comparison) -> Tensor:
    """The targets of all recorded steps together: of small batches one says little."""
    found = []
    for batch in case.batches:
        for criterion in batch.criteria:
            if criterion.kind == each.kind and criterion.target is not None:
                found.append(batch.played(case.rehearsal.start())[criterion.target].reshape(-1))
    return torch.cat(found)


def _judged_by_equality(case: Case) -> bool:
    """Whether predictions are compared by == with the truth, or by a metric of classes."""
    if any(m.name in ("accuracy_score", "balanced_accuracy_score", "f1_score") for m in case.seen.of(Measured)):
        return True
    return any(plain_name(m.operation) == "eq" for answers in passes(case) for a in answers for m in a.meetings)


@check("temperature-far-off", experiment=True)
def temperature(case: Case) -> Iterator[Finding]:
    """A factor on the scores: training with it and without it."""
    if not case.rehearsal.possible:
        return
    for each in comparisons(case)[:1]:
        if each.kind not in (*CLASSES, "binary cross entropy with logits"):
            continue
        done = changes(each.batch, each.criterion.prediction)
        found = next(((o, f) for o in done[:2] if (f := _factor(o)) is not None), None)
        if found is None or 1 / _FAR < found[1] < _FAR:
            continue
        operation, factor = found
        steps, start = 48, case.rehearsal.start
        before, after = _fit(case, start(), steps, None, each), _fit(case, start(), steps, operation, each)
        first = case.losses[0]
        risen = not math.isfinite(before) or first - after > _BETTER * (first - before)
        if math.isfinite(after) and first - after > _FALLS * abs(first) and risen:
            tried = Tried("the factor left out", f"loss {before:.4g} after {steps} steps", f"loss {after:.4g}", True)
            yield Finding(
                "temperature-far-off",
                f"The scores are multiplied by {factor:.3g} before the softmax: far from any useful temperature.",
                "fault",
                0.9,
                (Fact("factor", f"{factor:.3g}"),),
                "Leave it out, or choose it so that scores differ by a few units.",
                each.where(case, operation),
                tried,
                explains=(*STANDSTILL, *BURST),
            )


def _factor(operation: Operation) -> float | None:
    numbers = [a for a in operation.arguments if isinstance(a, (int, float)) and not isinstance(a, bool)]
    if plain_name(operation) not in ("*", "/", "mul", "div") or len(numbers) != 1 or not numbers[0]:
        return None
    return float(numbers[0]) if plain_name(operation) in ("*", "mul") else 1 / float(numbers[0])


def _fit(case: Case, state: State, steps: int, operation: Operation | None, each: Comparison) -> float:
    actions = None if operation is None else everywhere(case, leave_out, each.batch, operation)
    losses = case.rehearsal.train(steps, state=state, actions=actions)
    return tail(losses) if len(losses) == steps else math.inf
