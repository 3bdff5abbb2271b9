"""Inputs far from the unit scale, columns of very different scale, and inputs squeezed by a few values far away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._again import again, compare
from chainrule.diagnosis.doctor.checks.data._facts import Facts, columns, facts
from chainrule.diagnosis.doctor.findings import Fact, Finding, Plot, Tried

LARGE, SMALL = 8.0, 0.05
"""Spreads outside of which inputs are worth a trial: pixels of 0 to 16 have about 6 and train well."""
UNEVEN = 50.0
"""Largest over smallest spread of columns from which a trial is worth it."""
FAR = 6.0
"""Means that far from zero, in spreads, are worth a trial: all units see the same sign and size."""
GAIN = 0.75
"""The loss with scaled inputs over that with the given ones, after equally many steps, from which the scale is at
fault; two trainings of healthy programs differ by less than a tenth."""
RARE = 0.35
"""Values far from all others are at most that share of their column."""
SQUEEZED = 0.1
"""Spread of the others over the spread of the column, from which the far values squeeze them."""
PLACEHOLDER = 0.4
"""The same where all far values are equal: a placeholder for what is missing."""
EXAMPLES = 64
"""Examples that are needed to speak of spreads."""


class Scale(NamedTuple):
    """How large inputs are: of all values together, and of the columns that change."""

    mean: float
    spread: float
    least: float
    most: float


@check("input-not-scaled", "input-squeezed", experiment=True)
def input_not_scaled(case: Case) -> Iterator[Finding]:
    """Train again with inputs brought to mean zero and spread one, where they are far from it."""
    known = facts(case)
    train = known.train
    if train is None or not train.inputs.is_floating_point() or len(train.inputs) < EXAMPLES or train.inputs.ndim < 2:
        return
    if not bool(train.inputs.isfinite().all()) or len(known.fed) != len(case.batches):
        return
    scale, uneven = scale_of(train.inputs), unevenness(train.inputs)
    far = abs(scale.mean) / max(scale.spread, 1e-12)
    if (SMALL <= scale.spread <= LARGE and uneven < UNEVEN and far < FAR) or scale.spread == 0:
        return
    per_column = train.inputs.ndim == 2
    mean, spread = statistics(train.inputs, per_column=per_column)
    scaled = {i: (fed.inputs - mean) / spread for i, fed in enumerate(known.fed)}
    before, after = again(case), again(case, inputs=scaled)
    old, new = compare(before, after)
    helped = new < GAIN * old
    small = scale.spread < SMALL and uneven < UNEVEN
    what = "columns of very different scale" if uneven >= UNEVEN else "inputs far from the unit scale"
    what = "inputs that hardly differ" if small else what
    yield Finding(
        "input-squeezed" if small else "input-not-scaled",
        f"The network is given {what}: spread {scale.spread:.3g}, mean {scale.mean:.3g}.",
        "fault" if helped else "note",
        0.88 if helped else 0.3,
        (
            Fact("mean and spread of all inputs", f"{scale.mean:.3g} and {scale.spread:.3g} (usual: near 0 and 1)"),
            Fact("least and most", f"{scale.least:.3g} to {scale.most:.3g}"),
            Fact("largest over smallest spread of columns", f"{uneven:.3g}"),
        ),
        change="divide once only (ToTensor divides by 255 as well), or x = (x - mean) / std"
        if small
        else "x = (x - mean) / std, with mean and std of the training part, per column or channel",
        where=known.place,
        tried=Tried(
            "inputs scaled to mean 0 and spread 1, the same steps from the same start",
            f"loss {old:.4g} after {len(before.losses)} steps",
            f"loss {new:.4g} after {len(after.losses)} steps",
            helped,
        ),
        explains=(
            *LEARNS_LITTLE,
            "rate-too-high",
            "dead-units",
            "saturated-units",
            "initial-loss-off",
            "gradients-explode",
            "initialization-too-large",
            "initialization-too-small",
        ),
        plot=Plot(
            "loss",
            "step",
            "loss",
            {"as given": list(enumerate(before.losses)), "scaled": list(enumerate(after.losses))},
        ),
    )


def scale_of(inputs: Tensor) -> Scale:
    """Mean, spread, least and most of all values."""
    values = inputs.detach().float()
    return Scale(float(values.mean()), float(values.std(correction=0)), float(values.min()), float(values.max()))


def unevenness(inputs: Tensor) -> float:
    """Largest over smallest spread of a table's columns, those that hardly ever change left out."""
    if inputs.ndim not in (2, 3) or inputs.shape[-1] > 256:
        return 1.0
    table = inputs.detach().float().reshape(-1, inputs.shape[-1])
    lively = (table != table.median(0).values).double().mean(0) > 0.1
    spreads = table.std(0)[lively & (table.std(0) > 0)]
    return float(spreads.max() / spreads.min()) if len(spreads) > 1 else 1.0


def statistics(inputs: Tensor, *, per_column: bool) -> tuple[Tensor, Tensor]:
    """Mean and spread to scale by: of columns, or of channels (and features of sequences)."""
    values = inputs.detach().float()
    dims = [0] if per_column else [0, *range(2, values.ndim)] if values.ndim >= 4 else list(range(values.ndim - 1))
    mean, spread = values.mean(dims, keepdim=True), values.std(dims, keepdim=True)
    return mean, torch.where(spread > 1e-7 * mean.abs() + 1e-12, spread, torch.ones_like(spread))


@check("input-squeezed", experiment=True)
def input_squeezed(case: Case) -> Iterator[Finding]:
    """Look for a few values so far away that all others lie together, and train again with those filled by the mean."""
    known = facts(case)
    train = known.train
    if train is None or not train.inputs.is_floating_point() or len(train.inputs) < EXAMPLES:
        return
    if train.inputs.ndim > 3 or len(known.fed) != len(case.batches) or not bool(train.inputs.isfinite().all()):
        return
    far = far_values(columns(train.inputs))
    found = far.any(0).nonzero().flatten()
    if not len(found) or len(found) < 0.05 * far.shape[1]:
        return
    before, after = again(case), again(case, inputs=_filled(known, far))
    old, new = compare(before, after)
    helped = new < 0.85 * old
    table = columns(train.inputs)
    one = int(found[0])
    others = table[~far[:, one], one]
    outliers = table[far[:, one], one]
    same = bool((outliers == outliers[0]).all())
    squeezed = float(others.std() / table[:, one].std())
    yield Finding(
        "input-squeezed",
        "A placeholder among the numbers squeezes all others together."
        if same
        else "A few values far away squeeze all others together.",
        "fault" if helped else "warning" if same and squeezed < SQUEEZED else "note",
        (0.93 if same else 0.85) if helped else 0.45,
        (
            Fact("columns in which it is so", f"{len(found)} of {far.shape[1]}"),
            Fact(
                f"far values of column {one}",
                f"{float(far[:, one].double().mean()):.1%}, "
                + (f"all {float(outliers[0]):.4g}" if same else f"up to {float(outliers.abs().max()):.4g}"),
            ),
            Fact("spread of its others over that of the column", f"{squeezed:.2g}"),
        ),
        change="fill missing entries with the mean of the training part (and add a column that says so) before scaling"
        if same
        else "clip what is far away, or take logarithms, before scaling",
        where=known.place,
        tried=Tried(
            "far values filled with the mean of the others, columns scaled by the spread of the others",
            f"loss {old:.4g} after {len(before.losses)} steps",
            f"loss {new:.4g} after {len(after.losses)} steps",
            helped,
        ),
        explains=(*LEARNS_LITTLE, "input-not-scaled", "labels-unrelated", "validation-nearly-training"),
    )


def far_values(table: Tensor) -> Tensor:
    """Which values lie so far from the others of their column that these look alike, (N, D).

    The far ones are on one side, at most `RARE` of the column, and behind a gap of many spreads of the others.
    """
    found = torch.zeros_like(table, dtype=torch.bool)
    for column in range(table.shape[1]):
        values, order = table[:, column].sort()
        gaps = values.diff()
        if not len(gaps) or float(gaps.max()) <= 0:
            continue
        cut = int(gaps.argmax()) + 1
        low, high = values[:cut], values[cut:]
        few, others = (low, high) if len(low) <= len(high) else (high, low)
        if len(few) > RARE * len(values) or len(others.unique()) < 10:
            continue
        same = bool((few == few[0]).all()) and len(few) > 0.03 * len(values)  # a placeholder need not be that far
        share, gap = (PLACEHOLDER, 2.5) if same else (SQUEEZED, 10.0)
        if float(others.std()) < share * float(values.std()) and float(gaps.max()) > gap * float(others.std()):
            found[order[:cut] if len(low) <= len(high) else order[cut:], column] = True
    return found


def _filled(known: Facts, far: Tensor) -> dict[int, Tensor]:
    """The recorded inputs with far values filled by the mean of the others, and scaled by their spread."""
    assert known.train is not None
    table = columns(known.train.inputs)
    kept = table.masked_fill(far, torch.nan)
    mean = kept.nanmean(0)
    spread = (kept - mean).square().nanmean(0).sqrt().clamp_min(1e-12)
    low, high = mean - 10 * spread, mean + 10 * spread
    affected = far.any(0)
    filled = {}
    for i, fed in enumerate(known.fed):
        flat = columns(fed.inputs)
        new = torch.where((flat < low) | (flat > high), mean, flat)
        new = torch.where(affected, (new - mean) / spread, flat)
        filled[i] = new.reshape(fed.inputs.shape).to(fed.inputs.dtype)
    return filled
