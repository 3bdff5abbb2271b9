"""Does the loss fall where the answers get better?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._criteria import upstream
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import BURST, STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._comparisons import (
    CLASSES,
    Comparison,
    changes,
    comparisons,
    gradients,
    place,
    plain_name,
)
from chainrule.diagnosis.doctor.checks.objective._terms import Term, strengths, terms, trainable
from chainrule.diagnosis.doctor.findings import Fact, Finding, Plot

_AGREE = 0.9
"""Share of the gradient that must point the wrong way: of a right loss next to nothing does."""
_SIZES = frozenset({"square", "**", "pow", "abs", "norm", "vector_norm", "linalg_vector_norm", "dist"})
"""What makes a size of weights."""
_BELOW = 5.0
"""How far below zero, in units of its first size, a loss has fallen that has no floor."""


@check("loss-with-wrong-sign")
def wrong_sign(case: Case) -> Iterator[Finding]:
    """The gradient at the scores: does a step along it bring predictions nearer to their targets?"""
    for each in comparisons(case):
        scores = _scores(each)
        found = gradients(each.batch, case.rehearsal.start(), [scores])
        share = _wrong_share(each, scores, found.get(scores))
        if share is None or share < _AGREE:
            continue
        yield Finding(
            "loss-with-wrong-sign",
            "The loss falls when the predictions get worse: its sign is lost.",
            "fault",
            0.97,
            (
                Fact("examples whose gradient pushes the prediction away from its target", f"{share:.0%}"),
                Fact("loss, first and last", f"{case.losses[0]:.4g}, {case.losses[-1]:.4g}"),
            ),
            "Minus before the log likelihood (or no minus before an error).",
            each.where(case),
            explains=_FOLLOWS,
            plot=_plot(case),
        )
        return
    yield from _term_with_wrong_sign(case) or _without_floor(case)


_FOLLOWS = (
    *BURST,
    *STANDSTILL,
    "exponential-overflows",
    "nll-without-logarithm",
    "log-of-zero",
    "graph-cut",
    "penalty-too-strong",
    "divergence-outweighs-reconstruction",
    "overfits",
    "validation-prepared-differently",
    "decision-inverted",
    "answers-under-other-names",
    "ranking-upside-down",
)


def _plot(case: Case) -> Plot:
    points = [(float(i), loss) for i, loss in enumerate(case.losses) if math.isfinite(loss)]
    return Plot("the loss over the steps", "step", "loss", {"loss": points})


def _scores(each: Comparison) -> int:
    """What the criterion is given; of logarithms written out, what they are made of."""
    made = each.batch.made_by(each.criterion.prediction)
    logarithms = made is not None and plain_name(made) in ("log_softmax", "-", "log", "softmax")
    if made is not None and logarithms and each.kind in ("own", *CLASSES):
        learned = [index for index in made.inputs if index in each.batch.learned]
        shape = each.batch.tape.values[each.criterion.prediction].shape
        if learned and each.batch.tape.values[learned[0]].shape == shape:
            return learned[0]
    return each.criterion.prediction


def _wrong_share(each: Comparison, scores: int, gradient: Tensor | None) -> float | None:
    """Share of the examples whose prediction is pushed away; None where that cannot be told."""
    value = each.values.get(scores)
    if gradient is None or value is None or not bool(gradient.isfinite().all()) or not bool((gradient != 0).any()):
        return None
    true = _true_classes(each, value)
    if true is not None:
        axis = 1 if each.kind in CLASSES and value.ndim > 1 else value.ndim - 1
        at_true = gradient.movedim(axis, -1).reshape(-1, value.shape[axis])
        picked = at_true.gather(1, true[:, None])[:, 0]
        picked = picked[picked != 0]
        return float((picked > 0).float().mean()) if len(picked) else None
    return _away(each, value, gradient)


def _true_classes(each: Comparison, value: Tensor) -> Tensor | None:
    """The true class of each row of the scores; None where there is none."""
    if value.ndim < 2:
        return None
    axis = 1 if each.kind in CLASSES else value.ndim - 1
    classes, rows = value.shape[axis], value.numel() // max(value.shape[axis], 1)
    for target in _candidates(each):
        whole = not target.is_floating_point() and target.dtype != torch.bool and target.numel() == rows
        if whole and _within(target, classes) and not _counts_up(target):
            return target.reshape(-1)
        one_hot = target.shape == value.shape and classes > 1 and target.is_floating_point()
        if one_hot and bool(((target.sum(axis) - 1).abs() < 1e-3).all()) and bool((target >= 0).all()):
            return target.movedim(axis, -1).reshape(-1, classes).argmax(1)
    return None


def _within(target: Tensor, classes: int) -> bool:
    return target.numel() > 0 and int(target.min()) >= 0 and int(target.max()) < classes


def _counts_up(target: Tensor) -> bool:
    """The numbers of the rows, as they stand beside the classes in an index."""
    flat = target.reshape(-1)
    return bool((flat == torch.arange(len(flat), device=flat.device)).all())


def _candidates(each: Comparison) -> list[Tensor]:
    """Data that goes into the criterion."""
    operation = each.criterion.operation
    return [each.values[i] for i in operation.inputs if i not in each.batch.learned and i in each.values]


def _away(each: Comparison, value: Tensor, gradient: Tensor) -> float | None:
    """The same for numbers: the gradient of an error has the sign of the prediction minus the target."""
    target, name = each.target, plain_name(each.criterion.operation)
    error = each.kind in ("squared error", "absolute error") or each.kind.startswith("binary")
    if target is None or target.shape != value.shape:
        return None
    shares = name in ("*", "mul") and bool(((target == 0) | (target == 1)).all()) and _is_share(each)
    if not (error or (each.kind == "own" and (name in ("-", "sub") or shares))):
        return None
    given = value.sigmoid() if each.kind.endswith("with logits") else value
    product = gradient * (given - target)
    product = product[product != 0]
    return float((product < 0).float().mean()) if product.numel() > 1 else None


def _is_share(each: Comparison) -> bool:
    """Whether the prediction is a probability: of an overlap with the target, such as dice."""
    done = changes(each.batch, each.criterion.prediction)
    return bool(done) and plain_name(done[0]) in ("sigmoid", "softmax")


def _term_with_wrong_sign(case: Case) -> list[Finding]:
    """A penalty or divergence that is subtracted: below zero, and ever further below."""
    if not case.batches or not math.isfinite(case.losses[0]):
        return []
    batch, start = case.batches[0], case.rehearsal.start()
    parts = terms(batch)
    if len(parts) < 2:
        return []
    first, last = strengths(batch, start, parts)[0], strengths(batch, trainable(case.final, start), parts)[0]
    for part, begun, now in zip(parts, first, last):
        if part.role == "task" or begun >= 0:
            continue
        if not (now < 3 * begun or not math.isfinite(now) or (now < begun and _is_norm(batch, part))):
            continue
        return [
            Finding(
                "loss-with-wrong-sign",
                f"A {part.role} is subtracted from the loss: it is made to grow.",
                "fault",
                0.9,
                (Fact(f"{part.role}, first and last", f"{begun:.4g}, {now:.4g}"),),
                "Add it: a penalty or divergence is to become small.",
                place(case, batch, part.operation),
                explains=_FOLLOWS,
                plot=_plot(case),
            )
        ]
    return []


def _is_norm(batch: Batch, part: Term) -> bool:
    """Whether a penalty is a size of weights, of which nobody wants more."""
    behind = upstream(batch.tape, part.value, stop=batch.outputs)
    names = {plain_name(operation) for operation in behind}
    used = [batch.tape.values[i] for o in behind for i in o.inputs]
    wide = any(len(value.shape) > 1 and value.operation is None for value in used)
    return part.role == "penalty" and wide and bool(names & _SIZES) and "log" not in names


def _without_floor(case: Case) -> Iterator[Finding]:
    """A loss that falls below zero without end, where nothing else tells why."""
    losses = [loss for loss in case.losses if math.isfinite(loss)]
    opponents = len({id(moved.optimizer) for moved in case.moves}) > 1  # one's gain is the other's loss
    if len(losses) < 10 or not case.batches or opponents:
        return
    first, quarter = max(abs(losses[0]), 1.0), losses[-max(1, len(losses) // 4) :]
    half = losses[len(losses) // 2]
    if min(quarter) > -_BELOW * first or not (sum(quarter) / len(quarter) < 2 * min(half, 0.0)):
        return
    batch: Batch = case.batches[0]
    last = next((o for o in reversed(batch.tape.operations) if batch.loss in o.results), None)
    yield Finding(
        "loss-with-wrong-sign",
        "The loss falls below zero without end: what should fall is made to grow, or the loss has no floor.",
        "fault",
        0.75,
        (Fact("loss, first and last", f"{case.losses[0]:.4g}, {case.losses[-1]:.4g}"),),
        "Look at the sign of each term: an error is added, a log likelihood subtracted.",
        place(case, batch, last) if last else "",
        explains=_FOLLOWS,
        plot=_plot(case),
    )
