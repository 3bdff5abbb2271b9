"""What the network has come to in the end: answers that run against their targets, classes that never counted."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._comparisons import (
    SOFTMAX,
    SQUASHERS,
    changes,
    gradients,
    place,
    plain_name,
)
from chainrule.diagnosis.doctor.checks.objective._terms import trainable
from chainrule.diagnosis.doctor.findings import Fact, Finding

_AGAINST = -0.3
"""Correlation of predictions and targets below which they run against each other: one that knows nothing has none."""
_ROSE = 0.2
"""How much it must have fallen in the training."""
_ENOUGH = 64
"""Numbers from which a correlation says something."""
_EXAMPLES = 8
"""Examples of a class, none of which gets a gradient, from which that is no chance."""
_MOST = 50
"""Classes up to which whole numbers are classes."""


@check("loss-with-wrong-sign")
def run_against(case: Case) -> Iterator[Finding]:
    """Predictions and targets of the recorded steps, with the first weights and with the last."""
    chosen = [b for b in case.batches if b.criterion is not None and b.criterion.kind == "own"][:6]
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []
    start = case.rehearsal.start()
    for batch in chosen:
        assert batch.criterion is not None
        prediction, target = batch.criterion.prediction, batch.criterion.target
        if target is None or len(batch.calls) != 1 or not _is_answer(batch):
            continue
        before, after = batch.played(start), batch.played(trainable(case.final, start))
        if before[prediction].shape != before[target].shape or not before[prediction].is_floating_point():
            continue
        made = before[prediction].reshape(-1), after[prediction].reshape(-1), before[target].reshape(-1)
        pairs.append(tuple(each.double() for each in made))  # type: ignore[arg-type]
    if not pairs:
        return
    first, last, truth = (torch.cat(each) for each in zip(*pairs))
    if len(truth) < _ENOUGH or not bool(last.isfinite().all()) or float(truth.std()) == 0:
        return
    begun, now = (float(torch.corrcoef(torch.stack([_ranks(each), truth]))[0, 1]) for each in (first, last))
    if not now < _AGAINST or not now < begun - _ROSE:
        return
    batch = chosen[0]
    assert batch.criterion is not None
    yield Finding(
        "loss-with-wrong-sign",
        "The loss falls while the predictions turn against their targets: what is alike is punished.",
        "fault",
        0.92,
        (Fact("correlation of predictions and targets, at first and at the end", f"{begun:.2f}, {now:.2f}"),),
        "1 - similarity (or minus the similarity) as the loss: of dice, overlap, cosine or correlation.",
        place(case, batch, batch.criterion.operation),
        explains=(*STANDSTILL, "decision-inverted", "answers-under-other-names", "ranking-upside-down"),
    )


def _is_answer(batch: Batch) -> bool:
    """Whether what meets the target is an answer, and no distance or error that is small where it is right."""
    assert batch.criterion is not None
    if plain_name(batch.criterion.operation) == "cosine_similarity":
        return True
    done = changes(batch, batch.criterion.prediction)
    names = [plain_name(operation) for operation in done[:1] if batch.criterion.prediction not in batch.outputs]
    return not names or names[0] in SQUASHERS | SOFTMAX


def _ranks(numbers: Tensor) -> Tensor:
    """The place of each in their order: what saturates keeps it."""
    return numbers.argsort().argsort().double()


@check("class-never-counts")
def never_counts(case: Case) -> Iterator[Finding]:
    """Which classes get any gradient at the network's output?"""
    counts: dict[float, list[int]] = {}
    where = ""
    batches = case.batches[:12]
    for batch in batches:
        found = _rows(case, batch)
        if found is None:
            return
        target, reached, where = found
        for kind in torch.unique(target).tolist():
            entry = counts.setdefault(float(kind), [0, 0])
            entry[0] += int((target == kind).sum())
            entry[1] += int(reached[target == kind].sum())
    if not 2 <= len(counts) <= _MOST:
        return
    silent = [kind for kind, (size, heard) in counts.items() if size >= _EXAMPLES and not heard]
    heard = sum(heard for _, heard in counts.values())
    others = sum(size for kind, (size, _) in counts.items() if kind not in silent)
    if not silent or heard < 0.5 * others or len(silent) == len(counts):
        return
    names = ", ".join(f"{kind:g}" for kind in silent)
    yield Finding(
        "class-never-counts",
        f"Examples with target {names} get no gradient at all: nothing is learned from them.",
        "fault",
        0.93,
        (
            Fact(f"examples with target {names}", str(sum(counts[kind][0] for kind in silent))),
            Fact("of these with a gradient", "0"),
            Fact("of the others", f"{heard} of {others}"),
        ),
        "A margin or hinge takes targets -1 and 1, not 0 and 1; a likelihood written out needs both its terms: "
        "y * log(p) + (1 - y) * log(1 - p).",
        where,
        explains=(*STANDSTILL, "loss-of-few-examples", "classes-uneven", "rare-class-neglected"),
    )


def _rows(case: Case, batch: Batch) -> tuple[Tensor, Tensor, str] | None:
    """The classes of the examples of a step, and whether a gradient comes to the network's answer to each."""
    outputs = [i for i in batch.outputs if i in batch.learned and batch.tape.values[i].shape]
    sizes = {batch.tape.values[i].shape[0] for i in outputs}
    if len(sizes) != 1:
        return None
    start = case.rehearsal.start()
    values = batch.played(start)
    rows = sizes.pop()
    after = batch.behind(batch.loss)
    meetings = [o for o in reversed(after) if set(o.inputs) & batch.learned]
    data = [i for o in meetings for i in o.inputs if i not in batch.learned and i in values and values[i].ndim]
    for index in data[:1]:
        target = values[index]
        single = target.numel() == rows and (target.ndim == 1 or target.shape[0] == rows)
        if not single or target.dtype == torch.bool or len(torch.unique(target)) > _MOST:
            continue
        flat = target.reshape(-1).double()
        if bool((flat != flat.round()).any()) or bool((flat == torch.arange(rows)).all()):
            continue
        beside = [values[i] for i in data[1:] if values[i].numel() == rows]
        if any(_varies(other.reshape(-1), flat) for other in beside):
            return None  # what was taken for classes may be a mask or a weight
        found = gradients(batch, start, outputs)
        if not found or not all(bool(gradient.isfinite().all()) for gradient in found.values()):
            return None
        reached = torch.stack([g.reshape(rows, -1).abs().sum(1) > 0 for g in found.values()]).any(0)
        meeting = next(o for o in meetings if index in o.inputs)
        return flat, reached, place(case, batch, meeting)
    return None


def _varies(other: Tensor, classes: Tensor) -> bool:
    """Whether a number differs among examples of one class."""
    return any(len(torch.unique(other[classes == kind])) > 1 for kind in torch.unique(classes))
