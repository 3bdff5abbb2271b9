"""Targets that are numbers: far from the unit scale, or all the same."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.analysis._replay import play
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._again import again, compare
from chainrule.diagnosis.doctor.checks.data._facts import Fed, facts
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

LARGE, SMALL, FAR = 8.0, 0.04, 5.0
"""Spreads outside of which targets are worth a trial, and means that far from zero in spreads."""
UNEXPLAINED = 0.35
"""Loss over that of the best constant answer, above which a network has learned little."""
GAIN = 0.6
"""That share with scaled targets over that with the given ones, from which their scale is at fault."""


@check("target-constant")
def target_constant(case: Case) -> Iterator[Finding]:
    """Look for targets that are the same for all examples."""
    known = facts(case)
    train = known.train
    if train is None or train.targets is None or not train.paired or len(train.targets) < 32 or case.task == "own":
        return
    targets = train.targets
    if bool((targets == targets[0]).all()) and not _others(known.rows, len(train.inputs), known.valid):
        criterion = next((b.criterion for b in case.batches if b.criterion is not None), None)
        yield Finding(
            "target-constant",
            "All targets are the same: there is nothing to learn.",
            "fault",
            0.9,
            (Fact("different targets", f"1 among {len(targets)} examples: {targets[0].flatten()[:4].tolist()}"),),
            change="look at how targets are read: the wrong column, an array never filled, a comparison never true",
            where=case.place(case.batches[0].line(criterion.operation)) if criterion else "",
            explains=("labels-unrelated", "classes-uneven", "class-missing", "target-not-scaled"),
        )


def _others(rows: list[Tensor], seen: int, valid: Fed | None) -> bool:
    """Whether targets that were not recorded may well be others: then the order of the data is to blame."""
    everything = len(torch.cat(rows).unique()) if rows else 0
    if valid is not None and valid.targets is not None and valid.paired and len(valid.targets.unique()) > 1:
        return True
    return everything > 2 * seen


@check("target-not-scaled", experiment=True)
def target_not_scaled(case: Case) -> Iterator[Finding]:
    """Train again with targets brought to mean zero and spread one, where they are far from it."""
    batches = case.batches
    if not batches or any(len(b.criteria) != 1 or not _numbers(b) for b in batches):
        return
    targets = [b.targets.float() for b in batches if b.targets is not None]
    if len(targets) != len(batches) or any(not t.ndim for t in targets):
        return
    every = torch.cat([t.reshape(-1) for t in targets])
    if len(every) < 32 or not bool(every.isfinite().all()):
        return
    mean, spread = float(every.mean()), float(every.std())
    if spread == 0 or (SMALL <= spread <= LARGE and abs(mean) < FAR * spread):
        return
    dtype = next(b.targets.dtype for b in batches if b.targets is not None)
    scaled = {i: ((t - mean) / spread).to(dtype) for i, t in enumerate(targets)}
    before, after = again(case), again(case, targets=scaled)
    losses = compare(before, after, count=max(12, len(batches)))
    centers = [_best_constant(case, b, mean) for b in batches]
    scaled_centers = [_best_constant(case, b, 0.0, scaled[i]) for i, b in enumerate(batches)]
    old = losses[0] / max(sum(centers) / len(centers), 1e-30)
    new = losses[1] / max(sum(scaled_centers) / len(scaled_centers), 1e-30)
    helped = (not math.isfinite(old) or old > UNEXPLAINED) and new < GAIN * old
    criterion = batches[0].criterion
    assert criterion is not None
    yield Finding(
        "target-not-scaled",
        f"The targets are far from the unit scale: mean {mean:.4g}, spread {spread:.4g}.",
        "fault" if helped else "note",
        0.9 if helped else 0.3,
        (
            Fact("mean and spread of the targets", f"{mean:.4g} and {spread:.4g} (usual: near 0 and 1)"),
            Fact("loss over that of the best constant answer", f"{old:.3g}"),
        ),
        change="y = (y - mean) / std with mean and std of the training part; scale answers back for the metric",
        where=case.place(batches[0].line(criterion.operation)),
        tried=Tried(
            "targets scaled to mean 0 and spread 1, the same steps from the same start",
            f"loss {old:.3g} of the best constant's after {len(before.losses)} steps",
            f"loss {new:.3g} of the best constant's after {len(after.losses)} steps",
            helped,
        ),
        explains=(
            *LEARNS_LITTLE,
            "loss-diverges",
            "rate-too-high",
            "initial-loss-off",
            "gradients-explode",
            "sum-with-rate-for-mean",
            "output-cannot-reach-target",
            "clipped-to-nothing",
        ),
    )


def _numbers(batch: Batch) -> bool:
    criterion = batch.criterion
    return (
        criterion is not None
        and batch.targets is not None
        and batch.targets.is_floating_point()
        and (criterion.kind in ("squared error", "absolute error") or criterion.operation.function in ("-", "sub"))
    )


def _best_constant(case: Case, batch: Batch, answer: float, targets: Tensor | None = None) -> float:
    """The loss of a step whose network always answers the mean."""
    criterion = batch.criterion
    assert criterion is not None
    made = batch.made_by(criterion.prediction)
    changed = {} if targets is None or criterion.target is None else {criterion.target: targets}
    if made is None:
        return math.inf
    known = batch.played()
    constant = torch.full_like(known[criterion.prediction], answer)
    with torch.no_grad():
        played = play(batch.score, changed, actions={made.index: lambda *args, **options: constant})
    return float(played[batch.loss].sum())
