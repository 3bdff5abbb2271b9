"""Labels of which many are wrong, in training or in the validation, beside the other part whose labels are right."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._facts import class_targets, columns, facts
from chainrule.diagnosis.doctor.findings import Fact, Finding

NEIGHBOURS = 9
"""Training examples that vote."""
WORSE = 0.15
"""How much better neighbours must answer the validation than training itself, in mean recall: of labels that are right
in both they answer as many."""

MUCH_WORSE = 0.35
"""The same the other way round: the validation may well be harder, but not by that much, among itself as well."""


@check("labels-partly-wrong", experiment=True)
def labels_partly_wrong(case: Case) -> Iterator[Finding]:
    """Let training examples answer for their neighbours, in training and in the validation."""
    known = facts(case)
    train, valid = known.train, known.valid
    if train is None or valid is None or case.task not in ("classes", "yes or no") or train.inputs.ndim < 2:
        return
    labels, wanted = class_targets(train), class_targets(valid)
    if labels is None or wanted is None or train.inputs.shape[1:] != valid.inputs.shape[1:]:
        return
    if len(labels) < 300 or len(wanted) < 80 or not train.inputs.is_floating_point() or len(labels.unique()) > 30:
        return
    if min(int(labels.min()), int(wanted.min())) < 0 or not bool(train.inputs.isfinite().all()):
        return
    first, second = columns(train.inputs), columns(valid.inputs)[:800]
    step = -(-first.shape[1] // 1024)
    mean, spread = first.mean(0), first.std(0)
    usable = spread > 1e-6
    first, second = ((t[:, usable][:, ::step] - mean[usable][::step]) / _common(spread[usable][::step], train.inputs)
                     for t in (first, second))  # fmt: skip
    own, own_counts = _right(first, first, labels, labels, same=True)
    other, other_counts = _right(second, first, wanted[:800], labels, same=False)
    both = [c for c in own if c in other and own_counts[c] > 10 and other_counts[c] > 5]
    if len(both) < 2:
        return
    inside, outside = (sum(found[c] for c in both) / len(both) for found in (own, other))
    if outside >= inside + WORSE and outside >= 1.5 / len(both):
        yield _wrong(case, inside, outside, "training", "the same neighbours asked about the validation")
    elif outside < inside - MUCH_WORSE and len(second) >= 150:
        among, _ = _right(second, second, wanted[:800], wanted[:800], same=True)
        alone = sum(among[c] for c in both) / len(both)
        if alone < inside - MUCH_WORSE:
            yield _wrong(case, alone, inside, "the validation", "answered right by neighbours in training")


def _wrong(case: Case, bad: float, good: float, part: str, elsewhere: str) -> Finding:
    return Finding(
        "labels-partly-wrong",
        f"About {1 - bad / max(good, 1e-9):.0%} of the labels of {part} are wrong: they are not those of the "
        "examples around them.",
        "fault",
        0.9,
        (
            Fact(f"answered right by {NEIGHBOURS} neighbours in {part}", f"{bad:.0%}"),
            Fact(elsewhere, f"{good:.0%}"),
        ),
        change="look at how labels are joined to examples (sorting, an index, a join by a wrong key), and at some "
        "examples with their labels",
        where=facts(case).place,
        explains=(*LEARNS_LITTLE, "overfits", "augmentation-breaks-label",
                  "weight-decay-too-strong", "dropout-too-strong"),
    )  # fmt: skip


def _common(spread: Tensor, inputs: Tensor) -> Tensor:
    """What columns are scaled by: each by its own spread in a table, all by one in pictures."""
    return spread.clamp_min(0.3 * float(spread.max())) if inputs.ndim == 2 and len(spread) <= 64 else spread.mean()


def _right(
    asked: Tensor, given: Tensor, wanted: Tensor, labels: Tensor, *, same: bool
) -> tuple[dict[int, float], dict[int, int]]:
    """The share of each class that the neighbours answer, and how many there are."""
    distance = torch.cdist(asked, given)
    if same:
        distance.fill_diagonal_(torch.inf)
    near = distance.topk(NEIGHBOURS, largest=False).indices
    votes = torch.nn.functional.one_hot(labels, int(max(labels.max(), wanted.max())) + 1)[near].sum(1)
    right = votes.argmax(1) == wanted
    classes = [int(c) for c in wanted.unique()]
    return (
        {c: float(right[wanted == c].double().mean()) for c in classes},
        {c: int((wanted == c).sum()) for c in classes},
    )
