"""Identifiers that go in as if they were sizes: letters, words or categories by their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._again import again, compare
from chainrule.diagnosis.doctor.checks.data._facts import Facts, class_targets, columns, facts
from chainrule.diagnosis.doctor.checks.data._fit import agreement, linear, neighbours
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

LEAST, MOST = 6, 512
"""Numbers that differ, from which their order may be without meaning, and up to which they are looked at."""
MORE = 2.0
"""What each number by itself says of the target over what a smooth curve through them says (shares of variance), from
which their order says nothing."""
TELLS = 0.02
"""The least that numbers by themselves must say."""
PLAIN = 4.0
"""The same, from which whole numbers at all places of a sequence are identifiers, whatever a few steps say."""
GAIN = 0.88
"""Loss with the numbers in another order over that with the given one, from which they are no sizes."""
_LOOKS_UP = frozenset({"embedding", "embedding_bag", "one_hot", "gather", "index_select", "scatter_", "scatter",
                       "__getitem__", "getitem", "[]", "eq", "=="})  # fmt: skip


class Ids(NamedTuple):
    """Columns that hold identifiers: which ones, what they say each for itself, and what a curve through them says."""

    columns: list[int]
    alone: float
    curve: float
    order: dict[int, Tensor]


@check("ids-as-numbers", experiment=True)
def ids_as_numbers(case: Case) -> Iterator[Finding]:
    """Ask what each whole number says of the target, beside a curve through them; then train with them renumbered."""
    known = facts(case)
    train = known.train
    if train is None or train.targets is None or len(known.fed) != len(case.batches) or train.inputs.ndim not in (2, 3):
        return
    if train.inputs.ndim == 3 and 1 not in train.inputs.shape[1:]:
        return
    if case.task == "own" or _looked_up(case) or train.inputs.shape[1] > 512 or train.inputs.dtype == torch.bool:
        return
    ids = _ids(known)
    if ids is None:
        return
    new = {}
    for i, fed in enumerate(known.fed):
        table = columns(fed.inputs).clone()
        for column in ids.columns:
            values, places = ids.order[column][0], ids.order[column][1]
            at = torch.searchsorted(values, table[:, column].contiguous()).clamp_max(len(values) - 1)
            table[:, column] = places[at]
        new[i] = table.reshape(fed.inputs.shape).to(fed.inputs.dtype)
    before, after = again(case), again(case, inputs=new)
    old, renumbered = compare(before, after, count=min(24, len(case.batches)))
    helped = renumbered < GAIN * old
    every = len(ids.columns) == train.inputs[0].numel()
    whole = every and (not train.inputs.is_floating_point() or train.inputs.shape[1] >= 4)
    if not helped and not whole:
        return
    plain = every and ids.alone > PLAIN * ids.curve and ids.alone - ids.curve > 0.05
    yield Finding(
        "ids-as-numbers",
        "Identifiers go in as sizes: the network must tell neighbours in a numbering that means nothing."
        if every
        else f"Column {ids.columns[0]} holds numbers of categories, given to the network as sizes.",
        "fault" if helped or plain else "warning",
        0.9 if helped else 0.85 if plain else 0.6,
        (
            Fact("share of the target's variance that each number by itself explains", f"{ids.alone:.1%}"),
            Fact("that a smooth curve through the numbers explains", f"{ids.curve:.1%}"),
            Fact("different numbers", str(len(ids.order[ids.columns[0]][0]))),
        ),
        change="nn.Embedding(count, width) on the identifiers (or one_hot), not x.float()",
        where=known.place,
        tried=Tried(
            "the identifiers renumbered by what they say of the target, the same steps from the same start",
            f"loss {old:.4g} after {len(before.losses)} steps",
            f"loss {renumbered:.4g} after {len(after.losses)} steps",
            helped,
        ),
        explains=(*LEARNS_LITTLE, "input-not-scaled", "labels-unrelated", "initial-loss-off", "saturated-units",
                  "rate-too-high"),
    )  # fmt: skip


def _looked_up(case: Case) -> bool:
    """Whether the network looks its inputs up: the first thing that is done to them takes them as places."""
    whole = {torch.int64, torch.int32, torch.int16, torch.uint8, torch.int8}
    for batch in case.batches[:1]:
        for operation in batch.score.needed:
            if operation.function in _LOOKS_UP and any(
                batch.tape.values[i].dtype in whole and batch.tape.values[i].shape for i in operation.inputs[:3]
            ) and operation is not (batch.criterion.operation if batch.criterion else None):  # fmt: skip
                if operation.function in ("__getitem__", "getitem", "[]", "eq", "==") and not any(
                    i in batch.learned for i in operation.inputs
                ):
                    continue
                return True
    return False


def _ids(known: Facts) -> Ids | None:
    """Columns of whole numbers that say far more each for itself than as sizes; None without."""
    train = known.train
    assert train is not None
    wanted = _wanted(known)
    if wanted is None:
        return None
    table = columns(train.inputs)
    if not bool(table.isfinite().all()):
        return None
    if len(wanted) == table.numel():  # a target at each place: all places together
        flat = table.reshape(-1)[:20_000]
        if not _whole(flat):
            return None
        alone, curve, order = explained(flat, wanted[:20_000])
        if alone < max(TELLS, MORE * curve):
            return None
        return Ids(list(range(table.shape[1])), alone, curve, dict.fromkeys(range(table.shape[1]), order))
    if len(wanted) != len(table) or (not train.inputs.is_floating_point() and table.shape[1] > 64):
        return None
    if (together := _of_sequences(table, wanted)) is not None:
        return together
    found: dict[int, Tensor] = {}
    told: list[tuple[float, float]] = []
    whole = [c for c in range(min(table.shape[1], 128)) if _whole(table[:, c])]
    if len(whole) > max(4, table.shape[1] // 2):
        return None  # pixels and such, all of one kind: sizes
    for column in whole:
        alone, curve, order = explained(table[:, column], wanted)
        if alone >= max(2 * TELLS, MORE * curve):
            found[column] = order
            told.append((alone, curve))
    if not found:
        return None
    return Ids(list(found), max(told)[0], max(told)[1], found)


def _of_sequences(table: Tensor, wanted: Tensor) -> Ids | None:
    """Sequences of identifiers with one target each: how often each stands there says more than all sizes do."""
    width = table.shape[1]
    if width < 4 or not _whole(table.reshape(-1)[:20_000]) or len(table) < 150:
        return None
    different, inverse = table.unique(return_inverse=True)
    if len(different) < 2 * LEAST:
        return None
    counts = torch.zeros(len(table), len(different)).scatter_add_(
        1, inverse.reshape(table.shape), torch.ones(table.shape)
    )
    rows = slice(0, 1200)
    centered = wanted[rows] - wanted[rows].mean(0)
    scaled = (table - table.mean(0)) / table.std(0).clamp_min(1e-9)
    often, sizes = ((part - part.mean(0)) / part.std(0).clamp_min(1e-6) for part in (counts, scaled))
    by_count, *by_size = (
        agreement(fit(part[rows]), centered) for fit, part in ((linear, often), (linear, sizes), (neighbours, sizes))
    )
    if by_count < max(*by_size, 0.0) + 0.2:
        return None
    alone, curve, order = explained(table.reshape(-1), wanted.repeat_interleave(width, 0))
    return Ids(
        list(range(width)), max(alone, by_count**2), max(curve, max(by_size) ** 2), dict.fromkeys(range(width), order)
    )


def _wanted(known: Facts) -> Tensor | None:
    """The targets as a table of floats with one row for each: classes as ones, numbers as they are."""
    train = known.train
    assert train is not None
    assert train.targets is not None
    labels = class_targets(train)
    targets = train.targets
    if labels is None and not targets.is_floating_point() and targets.ndim == 2:
        labels = targets.reshape(-1).long()
    if labels is not None:
        if int(labels.min()) < 0 or len(labels.unique()) > 100:
            return None
        values = torch.nn.functional.one_hot(labels.unique(return_inverse=True)[1]).double()
    else:
        values = targets.reshape(-1, 1).double()
    return values if bool(values.isfinite().all()) and float(values.var()) > 0 else None


def _whole(values: Tensor) -> bool:
    """Whether values are few whole numbers, or such scaled since: all differences are multiples of the smallest."""
    different = values.double().unique()
    if not LEAST <= len(different) <= min(MOST, len(values) // 12):
        return False
    steps = different.diff() / different.diff().min().clamp_min(1e-12)
    return float((steps - steps.round()).abs().max()) < 0.02 and float(steps.max()) < MOST


def explained(values: Tensor, wanted: Tensor) -> tuple[float, float, Tensor]:
    """Shares of variance that numbers explain each for itself, and by a curve of third degree; and their new order.

    Args:
        values: (N,) whole numbers.
        wanted: (N, K) targets.

    Returns:
        Both shares, less what chance gives, and a (2, V) table of the numbers and their new places.
    """
    different, inverse, counts = values.unique(return_inverse=True, return_counts=True)
    centered = wanted - wanted.mean(0)
    total = float(centered.square().sum())
    means = torch.zeros(len(different), wanted.shape[1], dtype=torch.double).index_add_(0, inverse, centered)
    means /= counts[:, None]
    alone = float((means.square() * counts[:, None]).sum()) / total
    chance = (len(different) - 1) / max(1, len(values) - 1)
    scaled = (values.double() - values.double().mean()) / values.double().std().clamp_min(1e-9)
    design = torch.stack([scaled**power for power in range(4)], 1)
    fit = design @ torch.linalg.lstsq(design, centered).solution
    curve = float(fit.square().sum()) / total
    weighted = means * counts.double().sqrt()[:, None]
    direction = torch.linalg.svd(weighted, full_matrices=False).Vh[0]
    rank = (means @ direction).argsort().argsort()
    places = different.sort().values[rank].to(values.dtype)
    return max(0.0, (alone - chance) / (1 - chance)), curve, torch.stack([different, places])
