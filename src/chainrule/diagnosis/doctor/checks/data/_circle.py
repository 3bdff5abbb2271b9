"""Targets that close to a circle, learned as numbers: an angle, a time of day, a hue."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._facts import columns, facts
from chainrule.diagnosis.doctor.checks.data._whole import whole
from chainrule.diagnosis.doctor.findings import Fact, Finding

END = 0.06
"""Part of the range at either end that is looked at."""
MET = 1.2
"""How many times more often neighbors of examples at one end must be at the other than by chance."""
AS_OFTEN = 0.2
"""How often they are there, over how often at their own end; on a circle as often, on a line hardly ever."""
BETWEEN = 0.5
"""How often neighbors may be in the middle half, over chance: of mere noise they are there as often."""
FULL = 0.3
"""How full both ends of the range must be, over its mean: a circle goes on there, a distribution thins out."""
_ROUND = re.compile(r"angle|degree|deg2rad|radian|direction|heading|azimuth|hour|hue|orient|phase|% *360|pi\b|month"
                    r"|week|cos\(|arctan|atan2", re.IGNORECASE)  # fmt: skip
"""What programs with such targets speak of."""
EXAMPLES, MOST = 300, 2500
"""Examples that are needed, and that are looked at."""
NEAR = 6
"""Neighbors of each example."""


@check("circle-cut-open")
def circle_cut_open(case: Case) -> Iterator[Finding]:
    """Look for the neighbors of examples whose targets are at one end of the range: are they at the other?"""
    pairs = _pairs(case)
    if pairs is None:
        return
    inputs, target = pairs
    place = (target - target.min()) / (target.max() - target.min()).clamp_min(1e-12)
    ends = [place < END, place > 1 - END]
    counts = [int(end.sum()) for end in ends]
    if min(counts) < max(10, FULL * END * len(place)) or not _full(place):
        return
    spread = inputs.std(0)
    features = ((inputs - inputs.mean(0)) / torch.where(spread > 1e-9, spread, 1.0)).float()
    near = torch.cdist(features, features).fill_diagonal_(torch.inf).topk(NEAR, largest=False).indices
    middle = (place > 0.25) & (place < 0.75)
    other, own, between = [], [], []
    for here, there in (ends, ends[::-1]):
        around = near[here]
        other.append(float(there[around].double().mean()) / max(float(there.double().mean()), 1e-9))
        own.append(float(here[around].double().mean()) / max(float(here.double().mean()), 1e-9))
        between.append(float(middle[around].double().mean()) / max(float(middle.double().mean()), 1e-9))
    if min(other) < MET or min(o / max(m, 1e-9) for o, m in zip(other, own)) < AS_OFTEN or max(between) > BETWEEN:
        return
    criterion = case.batches[0].criterion
    yield Finding(
        "circle-cut-open",
        "The target closes to a circle (an angle, a time of day) and is learned as a number: its two ends, which are "
        "next to each other, are as far apart as can be.",
        "fault",
        0.94 if _ROUND.search(case.source.text) else 0.8,
        (
            Fact("neighbors of examples at one end of the range that are at the other", f"{min(other):.1f} times as "
                 "many as by chance (on a line: fewer)"),
            Fact("at their own end", f"{min(own):.1f} times"),
            Fact("in the middle half", f"{max(between):.1f} times"),
        ),
        change="two outputs, sine and cosine of the angle; atan2 of them gives it back",
        where=case.place(case.batches[0].line(criterion.operation)) if criterion is not None else "",
        explains=(*LEARNS_LITTLE, "target-not-scaled", "output-cannot-reach-target", "overfits",
                  "prediction-not-scaled-back"),
    )  # fmt: skip


def _pairs(case: Case) -> tuple[Tensor, Tensor] | None:
    """Tables and one number for each example that is learned by its difference."""
    known, every = facts(case), whole(case)
    criteria = [b.criterion for b in case.batches[:2]]
    differences = ("squared error", "absolute error")
    if not criteria or any(
        c is None or (c.kind not in differences and c.operation.function not in ("-", "sub")) for c in criteria
    ):
        return None
    if every is not None:
        inputs, targets = every.inputs, every.targets
    elif known.train is not None and known.train.targets is not None and known.train.paired:
        inputs, targets = known.train.inputs, known.train.targets
    else:
        return None
    flat = targets.reshape(len(targets), -1)
    if flat.shape[1] != 1 or not targets.is_floating_point() or not inputs.is_floating_point() or inputs.ndim < 2:
        return None
    table = columns(inputs)[:MOST].double()
    if len(table) < EXAMPLES or table.shape[1] > 1024 or not bool(table.isfinite().all() & flat.isfinite().all()):
        return None
    return table, flat[:MOST, 0].double()


def _full(place: Tensor) -> bool:
    """Whether the range is full up to both ends, and the values are many."""
    edges = [float(((place < END / 3).double()).mean()), float((place > 1 - END / 3).double().mean())]
    return min(edges) > FULL * END / 3 and len(place.unique()) >= 12
