"""A loss of which only a part of the batch, or of its size, is left."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._comparisons import (
    BINARY,
    CLASSES,
    PLAIN,
    Comparison,
    comparisons,
    gradients,
    plain_name,
    tail,
)
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

_FEW = 0.5
"""Share of the examples of a batch below which those that count are few."""
_PICKS = frozenset({"min", "max", "amin", "amax", "index", "select", "topk", "median", "quantile", "kthvalue"})
"""What picks an example."""
_DIVIDED = 1 / 8
"""Factor of a mean from which something has divided it again."""
_FURTHER = 3.0
"""Times as far as it did that the loss must fall without that factor."""


@check("loss-of-few-examples")
def few_examples(case: Case) -> Iterator[Finding]:
    """Which examples of the batch get a gradient: the same few places in every step?"""
    found: list[tuple[Comparison, Tensor]] = []
    for each in comparisons(case):
        if each.kind not in (*CLASSES, *BINARY, *PLAIN, "own") or each.prediction.ndim < 1 or len(each.prediction) < 4:
            return
        gradient = gradients(each.batch, case.rehearsal.start(), [each.criterion.prediction]).get(
            each.criterion.prediction
        )
        if gradient is None or not bool(gradient.isfinite().all()):
            return
        found.append((each, gradient.reshape(len(gradient), -1).abs().sum(1) > 0))
    if len(found) < 3 or len({len(counts) for _, counts in found}) != 1:
        return
    together = torch.stack([counts for _, counts in found])
    single = together.sum(1)
    if together.shape[1] >= 8 and int(single.max()) == 1 and int(single.min()) == 1:
        yield _picked(case, found[0][0], together)
        return
    if found[0][0].kind == "own":
        return
    share = float(together[0].float().mean())
    if share >= _FEW or share == 0 or not bool((together == together[0]).all()) or _left_out(found[0][0], together[0]):
        return
    each = found[0][0]
    yield Finding(
        "loss-of-few-examples",
        f"Only {int(together[0].sum())} of {len(together[0])} examples of a batch count in the loss.",
        "fault",
        0.95,
        (Fact("places that get a gradient", ", ".join(map(str, together[0].nonzero()[:6, 0].tolist()))),),
        "The mean over the whole batch.",
        each.where(case),
        explains=(*STANDSTILL, "few-examples-again", "part-of-input-unseen"),
    )


def _picked(case: Case, each: Comparison, together: Tensor) -> Finding:
    """One example of each batch counts, picked by its own loss or place."""
    between = [o for o in each.batch.behind(each.batch.loss) if o.index > each.criterion.operation.index]
    picking = next((o for o in between if plain_name(o) in _PICKS), None)
    return Finding(
        "loss-of-few-examples",
        f"Only one of {together.shape[1]} examples of a batch counts in the loss.",
        "fault",
        0.94,
        (
            Fact("examples that get a gradient, in each step", "1"),
            *([Fact("operation", plain_name(picking))] if picking else []),
        ),
        "The mean over the whole batch.",
        each.where(case, picking),
        explains=(*STANDSTILL, "few-examples-again", "part-of-input-unseen"),
    )


def _left_out(each: Comparison, counts: Tensor) -> bool:
    """Whether the others are left out by `ignore_index`."""
    ignored, target = each.criterion.options.get("ignore_index"), each.target
    if not isinstance(ignored, int) or target is None or len(target) != len(counts):
        return False
    return bool((target[~counts] == ignored).all())


@check("loss-divided-twice", experiment=True)
def divided_twice(case: Case) -> Iterator[Finding]:
    """A mean that is divided once more: the recorded steps are taken again at the rate that makes up for it."""
    each = next(iter(comparisons(case)), None)
    if each is None or len(each.batch.criteria) != 1 or not case.moves or case.left < 2:
        return
    optimizer = type(case.moves[0].optimizer).__name__
    result = each.criterion.operation.results[0]
    if optimizer != "SGD" or each.criterion.options.get("reduction", "mean") != "mean" or each.kind == "own":
        return
    factor = gradients(each.batch, case.rehearsal.start(), [result]).get(result)
    if factor is None or factor.numel() != 1 or not 0 < float(factor) <= _DIVIDED:
        return
    rehearsal, rate, steps = case.rehearsal, case.moves[0].rates[0], 48
    if len(case.moves) < 0.8 * len(case.losses):
        return  # gradients are added up: that is what it is divided for
    was = rehearsal.train(steps)
    now = rehearsal.train(steps, optimizer=lambda state: rehearsal.optimizer(state, lr=rate / float(factor)))
    still = rehearsal.train(steps, optimizer=lambda state: rehearsal.optimizer(state, lr=0.0))
    before, after, first = tail(was), tail(now), tail(still)
    if (
        len(now) < steps
        or not math.isfinite(after)
        or first - after < _FURTHER * max(first - before, 0.02 * abs(first))
    ):
        return
    yield Finding(
        "loss-divided-twice",
        f"The criterion takes the mean already, and the loss is divided by {1 / float(factor):.3g} once more.",
        "fault",
        0.92,
        (Fact("factor on the mean", f"{float(factor):.3g}"), Fact("rate", f"as if it were {rate * float(factor):.3g}")),
        "Do not divide a mean again.",
        each.where(case),
        Tried("the factor made up for", f"loss {before / float(factor):.4g}", f"{after / float(factor):.4g}", True),
        explains=STANDSTILL,
    )
