"""Uneven classes, and weights or samplers that make them more uneven."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from chainrule.analysis._tape import Ref
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._facts import class_targets, facts
from chainrule.diagnosis.doctor.findings import Fact, Finding

UNEVEN = 1.5
"""Most over least frequent class, and largest over smallest weight, from which there is something to weigh up."""
ALIKE = 0.6
"""Correlation of the logarithms of weight and frequency from which weights grow with frequency."""
FREQUENT = 0.7
"""Share of one class from which always answering it looks good."""
ONLY = 0.985
"""Share of one answer from which a network answers nothing else."""
_EXPLAINS = (*LEARNS_LITTLE, "classes-uneven")


@check("class-weights-upside-down")
def weights_upside_down(case: Case) -> Iterator[Finding]:
    """Compare the weights of classes, in the loss or the sampler, with how often they occur."""
    yield from _of_loss(case)
    yield from _of_sampler(case)


def _of_loss(case: Case) -> Iterator[Finding]:
    batch = next((b for b in case.batches if b.criterion is not None and b.targets is not None), None)
    if batch is None or batch.criterion is None:
        return
    every = [b.targets.reshape(-1) for b in case.batches if b.targets is not None]
    labels = torch.cat([t for t in every if t.dtype == every[0].dtype])
    weight = _tensor(batch, batch.criterion.options.get("weight"))
    positive = _tensor(batch, batch.criterion.options.get("pos_weight"))
    if weight is not None and weight.ndim == 1 and len(weight) > 1 and not labels.is_floating_point():
        counts = torch.bincount(labels[(labels >= 0) & (labels < len(weight))], minlength=len(weight))
    elif positive is not None and positive.numel() == 1 and labels.is_floating_point():
        ones = int((labels > 0.5).sum())
        counts, weight = torch.tensor([len(labels) - ones, ones]), torch.tensor([1.0, float(positive)])
    else:
        weight, counts = _per_example(batch) if batch.targets is not None else (None, torch.empty(0))
        if weight is None:
            return
    if upside_down(weight, counts):
        yield _finding(case, weight, counts, case.place(batch.line(batch.criterion.operation)), "the loss")


def _per_example(batch: Batch) -> tuple[Tensor | None, Tensor]:
    """Weights of classes, where somebody multiplies the losses of examples by a weight of each one's class."""
    labels, none = batch.targets, torch.empty(0)
    if labels is None or labels.ndim != 1 or len(labels.unique()) > 0.5 * len(labels):
        return None, none
    for operation in batch.behind(batch.loss):
        if operation.function not in ("*", "mul"):
            continue
        for index in operation.inputs:
            value = batch.tape.values[index]
            if not batch.is_data(index) or value.shape != tuple(labels.shape) or not value.dtype.is_floating_point:
                continue
            classes, counts = labels.unique(return_counts=True)
            parts = [value.tensor[labels == each] for each in classes]
            if all(bool((part == part[0]).all()) for part in parts):
                return torch.stack([part[0] for part in parts]), counts
    return None, none


def _tensor(batch: Batch, given: Any) -> Tensor | None:
    if not isinstance(given, Ref):
        return None
    value = batch.tape.values[given.value]
    return value.tensor.detach().float() if value.operation is None else None


def _of_sampler(case: Case) -> Iterator[Finding]:
    for made in case.seen.loaders:
        loader = made.get("loader")
        weights = getattr(getattr(loader, "sampler", None), "weights", None)
        labels = dataset_labels(getattr(loader, "dataset", None))
        if not isinstance(weights, Tensor) or labels is None or len(labels) != len(weights) or int(labels.min()) < 0:
            continue
        counts = torch.bincount(labels)
        drawn = torch.bincount(labels, weights=weights.double())
        weight = drawn / counts.clamp_min(1)
        if upside_down(weight, counts):
            yield _finding(case, weight, counts, case.place(made.get("line")), "the sampler")


def dataset_labels(dataset: Any) -> Tensor | None:
    """The classes of a dataset's examples, where they can be had without preparing the examples."""
    tensors = getattr(dataset, "tensors", None)
    found = (
        tensors[-1] if tensors else getattr(dataset, "targets", getattr(dataset, "labels", getattr(dataset, "y", None)))
    )
    if found is None and isinstance(dataset, list) and dataset and isinstance(dataset[0], tuple):
        found = [row[-1] for row in dataset]
    if found is None:
        return None
    try:
        labels = torch.as_tensor(found)
    except (TypeError, ValueError, RuntimeError):
        return None
    whole = labels.ndim == 1 and labels.numel() and bool((labels == labels.round()).all())
    return labels.long() if whole and len(labels.unique()) <= max(2, len(labels) // 4) else None


def upside_down(weight: Tensor, counts: Tensor) -> bool:
    """Whether weights grow with frequency, where both differ enough.

    Example:
        >>> counts = torch.tensor([900, 100])
        >>> upside_down(torch.tensor([1.8, 0.2]), counts), upside_down(torch.tensor([0.2, 1.8]), counts)
        (True, False)
    """
    present = counts > 0
    weight, counts = weight[present].double(), counts[present].double()
    if len(weight) < 2 or float(counts.max()) < UNEVEN * float(counts.min()) or bool((weight < 0).any()):
        return False
    if float(weight.max()) < UNEVEN * float(weight.min().clamp_min(1e-12)):
        return False
    pair = torch.stack([weight.clamp_min(1e-12).log(), counts.log()])
    return float(torch.corrcoef(pair)[0, 1]) > ALIKE


def _finding(case: Case, weight: Tensor, counts: Tensor, where: str, place: str) -> Finding:
    order = counts.argsort(descending=True)
    often, seldom = int(order[0]), int(order[-1])
    return Finding(
        "class-weights-upside-down",
        f"The weights in {place} grow with how frequent a class is: rare classes go under.",
        "fault",
        0.95,
        (
            Fact(f"most frequent class, {often}", f"{int(counts[often])} examples, weight {float(weight[often]):.4g}"),
            Fact(
                f"least frequent class, {seldom}", f"{int(counts[seldom])} examples, weight {float(weight[seldom]):.4g}"
            ),
        ),
        change="weight = total / (classes * counts): inverse to the frequency"
        + (" (pos_weight = negatives / positives)" if len(counts) == 2 else ""),
        where=where,
        explains=_EXPLAINS,
    )


@check("classes-uneven")
def classes_uneven(case: Case) -> Iterator[Finding]:
    """Count the classes, and what the network answers to the validation."""
    known = facts(case)
    labels = class_targets(known.train)
    if labels is None or len(labels) < 50 or case.task not in ("classes", "yes or no"):
        return
    values, counts = labels.unique(return_counts=True)
    share = float(counts.max()) / len(labels)
    if share < FREQUENT or len(values) < 2:
        return
    answered, only = None, False
    valid, wanted = known.valid, class_targets(known.valid)
    if valid is not None and valid.answers is not None and wanted is not None and valid.answers.is_floating_point():
        answered = _answered(valid.answers)
        others = float((wanted != wanted.mode().values).double().mean())
        only = answered >= ONLY and others > max(0.02, 1 - answered)
    bits = -sum(float(p) * math.log(float(p)) for p in counts / len(labels))
    yield Finding(
        "classes-uneven",
        f"{share:.0%} of the examples are of one class" + (", and the network answers nothing else." if only else "."),
        "fault" if only else "note",
        0.65 if only else 0.4,
        (
            Fact("examples of each class", ", ".join(f"{int(v)}: {int(c)}" for v, c in list(zip(values, counts))[:12])),
            Fact("loss of always answering these shares", f"{bits:.4g}"),
            *((Fact("share of one answer in the validation", f"{answered:.1%}"),) if answered is not None else ()),
        ),
        change="weigh classes inversely to their frequency in the loss, or draw them evenly, and judge by F1 or the "
        "mean recall of classes",
        where=known.place,
    )


def _answered(answers: Tensor) -> float:
    """The share of the most frequent answer."""
    if answers.ndim == 2 and answers.shape[1] > 1:
        chosen = answers.argmax(1)
    else:
        flat = answers.reshape(-1)
        inside = float(flat.min()) >= 0 and float(flat.max()) <= 1
        chosen = (flat > (0.5 if inside else 0.0)).long()
    return float(torch.bincount(chosen).max()) / max(1, len(chosen))
