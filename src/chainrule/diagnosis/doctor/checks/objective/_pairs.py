"""Examples that are drawn together and pushed apart: do like ones come together?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._comparisons import comparisons, gradients, place
from chainrule.diagnosis.doctor.findings import Fact, Finding

_PAIRS = 100
"""Pairs of each sort from which their distances say anything."""
_NEARER = 0.35
"""Chance that a pair that is drawn together is nearer in the inputs than one that is pushed apart: of what is alike it
is well over a half, of exchanged pairs under a third."""
_CHANCE = 0.75
"""Share of named partners that are near, up to which they may be any: of views of one example nearly all are."""
_PARTNER = 0.95
"""The same of the right ones, from which it is clear who they are."""
_ALONG = 0.98
"""Cosine between a gradient and the line to the other example from which it is of this pair."""
_SPREAD = 6.0
"""By how many standard errors it must be below a half."""


@check("positive-and-negative-exchanged")
def exchanged_pairs(case: Case) -> Iterator[Finding]:
    """Which pairs of examples a step draws together, and how far these are from each other in the inputs."""
    together: list[Tensor] = []
    apart: list[Tensor] = []
    for batch in case.batches[:12]:
        if any(criterion.kind not in ("own", "margin") for criterion in batch.criteria):
            return
        drawn, pushed = _pairs(case, batch)
        together += drawn
        apart += pushed
    if not together or not apart:
        return
    near, far = torch.cat(together), torch.cat(apart)
    if min(len(near), len(far)) < _PAIRS:
        return
    share = float((near[:, None] < far[None, :]).double().mean())
    error = (1 / 12 * (1 / len(near) + 1 / len(far))) ** 0.5
    if share > _NEARER or (0.5 - share) / error < _SPREAD:
        return
    batch = case.batches[0]
    last = next((o for o in reversed(batch.tape.operations) if batch.loss in o.results), None)
    yield Finding(
        "positive-and-negative-exchanged",
        "Unlike examples are drawn together, and like ones pushed apart.",
        "fault",
        0.9,
        (
            Fact("mean distance of the inputs that are drawn together", f"{float(near.mean()):.4g}"),
            Fact("of those that are pushed apart", f"{float(far.mean()):.4g}"),
            Fact("chance that one of the former is nearer than one of the latter", f"{share:.0%} (usual: over 60%)"),
        ),
        "Exchange positive and negative: triplet_margin_loss(anchor, positive, negative); in a contrastive loss the "
        "distance counts for equal pairs, and margin - distance for unequal ones.",
        place(case, batch, last) if last else "",
        explains=(*STANDSTILL, "labels-unrelated", "loss-with-wrong-sign", "overfits"),
    )


def _pairs(case: Case, batch: Batch) -> tuple[list[Tensor], list[Tensor]]:
    """Distances in the inputs of the pairs, rows of two calls of a network, that come nearer and that go apart."""
    calls = [c for c in batch.calls if len(c.outputs) == 1 and c.inputs and batch.is_data(c.inputs[0])]
    calls = [c for c in calls if len(batch.tape.values[c.outputs[0]].shape) == 2][:4]
    if len(calls) < 2 or any(c.module is not calls[0].module for c in calls):
        return [], []
    inputs = [batch.tape.values[c.inputs[0]].tensor for c in calls]
    if any(x.shape != inputs[0].shape or not x.is_floating_point() for x in inputs):
        return [], []
    start = case.rehearsal.start()
    values = batch.played(start)
    found = gradients(batch, start, [c.outputs[0] for c in calls])
    near: list[Tensor] = []
    far: list[Tensor] = []
    for a, b in combinations(range(len(calls)), 2):
        first, second = calls[a].outputs[0], calls[b].outputs[0]
        if first not in found or second not in found or values[first].shape != values[second].shape:
            continue
        pulled, pushed = _drawn(values[first], values[second], found[second])
        pulled_too, pushed_too = _drawn(values[second], values[first], found[first])
        distance = (inputs[a] - inputs[b]).flatten(1).double().norm(dim=1)
        near.append(distance[(pulled | pulled_too) & (distance > 0)])
        far.append(distance[(pushed | pushed_too) & (distance > 0)])
    return near, far


def _drawn(other: Tensor, mine: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Which rows a step draws towards the other, and which it pushes away; neither where it is of another pair.

    The gradient of a distance lies along the difference, of a product along the other, of a cosine along what of the
    other is across.
    """
    unit = mine / mine.norm(dim=1, keepdim=True).clamp_min(1e-12)
    across = other - (other * unit).sum(1, keepdim=True) * unit
    along = torch.stack([torch.cosine_similarity(-gradient, line, dim=1) for line in (other - mine, other, across)])
    best = along.gather(0, along.abs().argmax(0, keepdim=True))[0]
    return best > _ALONG, best < -_ALONG


@check("contrast-with-wrong-partner")
def wrong_partner(case: Case) -> Iterator[Finding]:
    """Each row of a square of similarities has a partner: the one that its target names, or another one?"""
    for each in comparisons(case):
        target, shape = each.target, tuple(each.prediction.shape)
        if each.kind != "cross entropy" or target is None or target.is_floating_point() or target.ndim != 1:
            continue
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 8 or len(target) != shape[0] or int(target.min()) < 0:
            continue
        sides = _sides(each.batch, shape[0])
        if sides is None:
            continue
        rows, columns, same = sides
        distances = torch.cdist(rows.flatten(1).double(), columns.flatten(1).double())
        if same:
            distances.fill_diagonal_(torch.inf)
        named = _nearer(distances, target)
        usual = [torch.arange(shape[0]), (torch.arange(shape[0]) + shape[0] // 2) % shape[0]]
        right = max(_nearer(distances, partner) for partner in usual)
        itself = same and bool((target == usual[0]).all())
        if not itself and (named > _CHANCE or right < _PARTNER):
            continue
        yield Finding(
            "contrast-with-wrong-partner",
            "Each example is its own positive: it is found without anything learned."
            if itself
            else "The contrastive loss names another partner than the other view of the same example.",
            "fault",
            0.93,
            (
                Fact("targets", ", ".join(map(str, target[:6].tolist())) + " ..."),
                Fact("named partners that are nearer than half of the others, in the inputs", f"{named:.0%}"),
                Fact("of the example in the same place of the other view", f"{right:.0%}"),
            ),
            "torch.arange(n) for similarities of two views (n, n); of both views together (2n, 2n) the place n "
            "further, with the diagonal masked.",
            each.where(case),
            explains=(*STANDSTILL, "labels-unrelated", "overfits"),
        )
        return


def _sides(batch: Batch, size: int) -> tuple[Tensor, Tensor, bool] | None:
    """The examples of the rows and of the columns, and whether they are the same ones."""
    calls = [c for c in batch.calls if c.inputs and batch.is_data(c.inputs[0])]
    inputs = [batch.tape.values[c.inputs[0]].tensor for c in calls]
    if not inputs or any(x.shape[1:] != inputs[0].shape[1:] or not x.is_floating_point() for x in inputs):
        return None
    if len(inputs) == 1 and len(inputs[0]) == size:
        return inputs[0], inputs[0], True
    if len(inputs) == 2 and len(inputs[0]) == len(inputs[1]) == size:
        return inputs[0], inputs[1], False
    both = torch.cat(inputs)
    return (both, both, True) if len(both) == size else None


def _nearer(distances: Tensor, partner: Tensor) -> float:
    """Share of the rows that are nearer to their partner than to half of the columns."""
    own = distances.gather(1, partner[:, None].long())[:, 0]
    return float((own < distances.median(1).values).double().mean())
