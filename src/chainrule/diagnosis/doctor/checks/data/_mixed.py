"""Examples mixed of two, whose labels are mixed in another way."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.analysis._replay import play
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._facts import class_targets, columns, facts
from chainrule.diagnosis.doctor.findings import Fact, Finding

AGREES, AGAINST = 0.15, -0.25
"""Correlation of an example's share of a class, by its place between the means of both, with the label's share: below
the first they have nothing to do with each other, below the second the weights are exchanged."""
EXAMPLES = 80
"""Mixed examples that are needed."""


@check("mixed-labels-do-not-fit")
def mixed_labels(case: Case) -> Iterator[Finding]:
    """Place each mixed example on the line between the means of its two classes: nearer to the one that weighs more?"""
    known = facts(case)
    mixed = _mixed(case)
    if mixed is None or known.valid is None or (labels := class_targets(known.valid)) is None:
        return
    inputs, targets = mixed
    means = _means(columns(known.valid.inputs).double(), labels, targets.shape[1])
    if means is None or means.shape[1] != inputs.shape[1]:
        return
    weights, classes = targets.topk(2, dim=1)
    first, second = means[classes[:, 0]], means[classes[:, 1]]
    way = first - second
    share = ((inputs - second) * way).sum(1) / way.square().sum(1).clamp_min(1e-12)
    chosen = (weights[:, 1] > 0.02) & (way.square().sum(1) > 0) & share.isfinite()
    if int(chosen.sum()) < EXAMPLES or float(weights[chosen, 0].std()) < 0.02:
        return
    turned = (
        torch.rand(int(chosen.sum()), generator=torch.Generator().manual_seed(0)) < 0.5
    )  # either class may be first
    given = torch.where(turned, weights[chosen, 1], weights[chosen, 0])
    seen = torch.where(turned, 1 - share[chosen], share[chosen])
    fit = float(torch.corrcoef(torch.stack([given, seen.clamp(-1, 2)]))[0, 1])
    if fit > AGREES:
        return
    exchanged = fit < AGAINST
    yield Finding(
        "mixed-labels-do-not-fit",
        "Examples are mixed of two and their labels with the weights exchanged: what is seen most counts least."
        if exchanged
        else "Examples are mixed of two, and their labels with other weights or of other examples.",
        "fault",
        0.96 if exchanged else 0.85,
        (
            Fact("correlation of a class's share in the label with its share in the example", f"{fit:+.2f}"),
            Fact("mixed examples", f"{int(chosen.sum())}"),
        ),
        change="the same weights and the same partners for both: lam * x + (1 - lam) * x[other] and "
        "lam * y + (1 - lam) * y[other]",
        where=known.place,
        explains=(*LEARNS_LITTLE, "labels-partly-wrong", "overfits", "labels-unrelated", "label-smoothing-too-strong",
                  "augmentation-breaks-label", "softmax-on-several-true-classes", "initial-loss-off"),
    )  # fmt: skip


def _mixed(case: Case) -> tuple[Tensor, Tensor] | None:
    """Examples (N, D) and their mixed targets (N, K), of the recorded steps."""
    pairs = [_of_step(case, place) for place in range(len(case.batches))]
    found = [pair for pair in pairs if pair is not None]
    if not found or len(facts(case).fed) != len(case.batches):
        return None
    inputs, targets = torch.cat([columns(a) for a, _ in found]).double(), torch.cat([b for _, b in found])
    two = (targets > 1e-6).sum(1) <= 2
    return (inputs[two], targets[two]) if float(two.double().mean()) > 0.9 else None


def _of_step(case: Case, place: int) -> tuple[Tensor, Tensor] | None:
    batch = case.batches[place]
    inputs = facts(case).fed[place].inputs if place < len(facts(case).fed) else None
    if inputs is None or inputs.ndim < 2 or not inputs.is_floating_point():
        return None
    targets = batch.targets
    if targets is not None and targets.is_floating_point():
        whole = targets.ndim == 2 and targets.shape[1] >= 3 and len(targets) == len(inputs)
        shares = whole and bool((targets >= 0).all()) and bool(((targets.sum(1) - 1).abs() < 1e-3).all())
        return (inputs, targets.double()) if shares else None
    return _of_two(case, place, inputs)


def _of_two(case: Case, place: int, inputs: Tensor) -> tuple[Tensor, Tensor] | None:
    """Where the losses of two labels are added, each with its weight."""
    batch = case.batches[place]
    if len(batch.criteria) != 2 or any(c.kind != "cross entropy" for c in batch.criteria):
        return None
    labels = [batch.tape.values[c.target].tensor for c in batch.criteria if c.target is not None]
    if len(labels) != 2 or any(t.is_floating_point() or t.shape != (len(inputs),) for t in labels):
        return None
    weights = _weights(case, place)
    if weights is None:
        return None
    classes = int(max(t.max() for t in labels)) + 1
    shape = batch.tape.values[batch.criteria[0].prediction].shape
    classes = max(classes, shape[1] if len(shape) == 2 else 0)
    mixed = torch.zeros(len(inputs), classes, dtype=torch.double)
    for weight, label in zip(weights, labels):
        mixed[torch.arange(len(inputs)), label] += weight
    return inputs, mixed


@torch.no_grad()
def _weights(case: Case, place: int) -> tuple[float, float] | None:
    """The weights of both criteria in the loss, found by adding one to each."""
    batch = case.batches[place]
    plain = float(batch.played()[batch.loss])
    found = []
    for criterion in batch.criteria:
        target = criterion.operation.target
        try:
            moved = play(batch.score, actions={criterion.operation.index: lambda *a, _t=target, **o: _t(*a, **o) + 1.0})
        except (RuntimeError, TypeError, ValueError):
            return None
        found.append(float(moved[batch.loss]) - plain)
    total = sum(found)
    return (found[0] / total, found[1] / total) if total > 0 and min(found) >= -1e-6 else None


def _means(inputs: Tensor, labels: Tensor, classes: int) -> Tensor | None:
    if int(labels.max()) >= classes or len(labels) < EXAMPLES:
        return None
    counts = torch.bincount(labels, minlength=classes)
    sums = torch.zeros(classes, inputs.shape[1], dtype=torch.double).index_add_(0, labels, inputs)
    return sums / counts[:, None].clamp_min(1) if bool((counts > 2).all()) else None
