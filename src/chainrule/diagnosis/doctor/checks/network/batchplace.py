"""Where an example stands in its batch must not matter."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._probe import MOVED, Probe, batches_apart, difference
from chainrule.diagnosis.doctor.findings import Fact, Finding

FAR = 0.02
"""Mean change over the spread from which it is worth a word: kernels may add in another order."""
SLICE = re.compile(r"\[\s*:\s*\w+\.(size\(0\)|shape\[0\])|len\(\w+\)\s*\]")
"""How people take as many positions as there are examples."""


@check("place-in-batch-matters", experiment=True)
def place_in_batch(case: Case) -> Iterator[Finding]:
    """The same examples, moved on by one in their batch: the same answers, moved on by one."""
    for probe, axis, count in batches_apart(case):
        far = _far(probe, axis, count)
        if far is None or far <= FAR:
            continue
        line = next((i for i, text in enumerate(case.source.text.splitlines(), 1) if SLICE.search(text)), None)
        yield Finding(
            "place-in-batch-matters",
            "the answer to an example depends on its place in the batch: something is added by that place",
            "fault",
            0.93,
            (
                Fact("mean change of the answers when the batch is moved on by one, in spreads", f"{far:.2g}"),
                Fact("examples are along dimension", f"{axis} of the network's first input"),
            ),
            "positions along the axis of time: pe[: x.size(1)] for (batch, time, features)",
            f"{case.source.path.name}:{line}" if line and case.source.path else probe.title,
            None,
            ("order-ignored", "underfits", "part-of-input-unseen"),
        )
        return


def _far(probe: Probe, axis: int, count: int) -> float | None:
    """How far answers move beside their examples, in spreads; None where nothing can be said."""

    def rolled(given: Tensor) -> Tensor:
        fits = given.ndim > axis and given.shape[axis] == count
        return given.roll(1, axis) if fits else given.clone()

    before, again, after = probe.ask(), probe.ask(seed=1), probe.ask(rolled)
    if before is None or again is None or after is None or before.shape != after.shape:
        return None
    if count not in before.shape or not torch.isfinite(before).all():
        return None
    if float(difference(before, again).max()) > MOVED:
        return None  # drawn at random each time
    out = axis if before.ndim > axis and before.shape[axis] == count else before.shape.index(count)
    return float(difference(before.roll(1, out), after).mean())
