"""A few targets so far away from all others that they rule the scale and the loss."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._copies import copy_with
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._again import again, answers
from chainrule.diagnosis.doctor.checks.data._facts import Fed, facts, input_value
from chainrule.diagnosis.doctor.checks.data._fit import RELATED, related
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

FEW = 0.03
"""Share of the targets that may be gross errors."""
GAP = 8.0
"""How far from all others they must be, in spreads of these."""
TAIL = 5.0
"""How many times farther than the farthest of the others they must be: long tails have no such gap."""
RULED = 0.6
"""Share of the squared distances from the mean that they make up."""
BETTER = 0.1
"""How much more of the other targets' variance is explained once they are left out."""


@check("gross-errors-kept", experiment=True)
def gross_errors(case: Case) -> Iterator[Finding]:
    """Train again with the few targets that are far off drawn in: are all others answered better?"""
    batches, known = case.batches, facts(case)
    if not batches or case.task not in ("numbers", "own") or len(known.fed) != len(batches):
        return
    targets = [b.targets for b in batches]
    if any(t is None or not t.is_floating_point() or not t.ndim or len(b.criteria) != 1
           for t, b in zip(targets, batches)):  # fmt: skip
        return
    every = torch.cat([t.reshape(len(t), -1).double() for t in targets if t is not None])
    if every.shape[1] != 1 or len(every) < 100 or not bool(every.isfinite().all()):
        return
    far = far_off(every[:, 0])
    if far is None or int(far.sum()) < 2:
        return
    kept = every[~far, 0]
    reach = float((kept - kept.median()).abs().max())
    if float((every[far, 0] - kept.median()).abs().min()) < TAIL * reach:
        return
    if _foretold(case):
        return
    ruled = float((every[far, 0] - every.mean()).square().sum() / (every - every.mean()).square().sum())
    if ruled < RULED:
        return
    center, spread = float(kept.mean()), float(kept.std())
    dtype = batches[0].targets.dtype if batches[0].targets is not None else torch.float32
    tamed = {i: ((t.double() - center) / spread).clamp(-4, 4).to(dtype) for i, t in enumerate(targets) if t is not None}
    before, after = _explains(case, None, center, spread), _explains(case, tamed, center, spread)
    if before is None or after is None or after - max(before, 0.0) < BETTER:
        return
    criterion = batches[0].criterion
    yield Finding(
        "gross-errors-kept",
        "A few targets are far off all others, and rule the scaling and the loss.",
        "warning",
        0.85,
        (
            Fact("targets far off", f"{int(far.sum())} of {len(far)}"),
            Fact("how far", f"{float((every[far, 0] - center).abs().median()) / spread:,.0f} spreads of the others"),
            Fact("their share of all squared distances from the mean", f"{ruled:.0%}"),
        ),
        change="look at them: leave out what cannot be, and scale by what is left, or take a loss such as Huber's",
        where=case.place(batches[0].line(criterion.operation)) if criterion is not None else "",
        tried=Tried(
            "those drawn in, targets scaled by the others, the same steps from the same start",
            f"explains {max(before, 0.0):.0%} of the other targets' variance",
            f"explains {after:.0%}",
            True,
        ),
        explains=(*LEARNS_LITTLE, "labels-unrelated", "loss-diverges", "rate-too-high", "gradients-explode",
                  "target-not-scaled", "overfits", "labels-partly-wrong", "initial-loss-off"),
    )  # fmt: skip


def _foretold(case: Case) -> bool:
    """Whether the inputs tell which examples are far off: these are rare events, to be learned, and no errors."""
    train = facts(case).train
    if train is None or train.targets is None or not train.paired:
        return False
    far = far_off(train.targets.reshape(-1).double())
    told = related(Fed(train.inputs, far.long())) if far is not None else None
    return told is not None and told > RELATED


def far_off(values: Tensor) -> Tensor | None:
    """Which few values lie beyond a gap of many spreads of the others; None where the others are all the same."""
    order = values.sort()
    count = max(1, int(FEW * len(values)))
    middle = order.values[count : len(values) - count]
    spread = float(middle.std())
    if spread == 0:
        return None
    low, high = order.values[: count + 1], order.values[-count - 1 :]
    far = torch.zeros(len(values), dtype=torch.bool)
    gaps = low.diff()
    if float(gaps.max()) > GAP * spread:
        far |= values <= low[int((gaps > GAP * spread).nonzero().max())]
    gaps = high.diff()
    if float(gaps.max()) > GAP * spread:
        far |= values >= high[int((gaps > GAP * spread).nonzero().min()) + 1]
    return far


def _explains(case: Case, targets: dict[int, Tensor] | None, center: float, spread: float) -> float | None:
    """Which share of the ordinary targets' variance a network explains that was trained again."""
    network = case.network
    if network is None:
        return None
    run = again(case, targets=targets, steps=240, seconds=1.5)
    if run.broken:
        return 0.0 if targets is None else None
    asked = [(b.tape.values[i].tensor, b.targets) for b in case.batches if (i := input_value(b)) is not None]
    inputs = torch.cat([x for x, _ in asked])[:1500]
    wanted = torch.cat([t for _, t in asked if t is not None]).reshape(-1)[:1500].double()
    given = answers(copy_with(network, run.state), inputs)
    if given is None or given.numel() != len(wanted):
        return None
    answered = given.reshape(-1).double() * (spread if targets is not None else 1.0) + (center if targets else 0.0)
    near = (wanted - center).abs() < GAP * spread
    rest = (answered - wanted)[near].square().sum() / (wanted[near] - wanted[near].mean()).square().sum()
    return 1 - float(rest)
