"""How classes are written as numbers: out of range, from one, never occurring, in a way the loss does not expect."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._facts import class_targets, facts
from chainrule.diagnosis.doctor.checks.data._order import between
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

_BOUNDS = re.compile(r"Target (-?\d+) is out of bounds")
_TYPES = re.compile(r"expected scalar type Long|expected floating point type for target|0D or 1D target tensor expected"
                    r"|expected target dtype"
                    r"|multi-target not supported|Expected target size|found dtype Long")  # fmt: skip
SURELY = 1e-6
"""A class that stands among the validation, and would be missing from training by chance less often, is missing."""
ORDERED = 0.4
"""Share of the variance of classes between batches, from which they come in some order."""
MATCHED = 0.25
"""Accuracy that another numbering of the classes must add."""


@check("labels-out-of-range", "labels-of-wrong-kind")
def labels_refused(case: Case) -> Iterator[Finding]:
    """Look at what ended the training: a loss that refuses its targets."""
    error = str(case.seen.error or "")
    if (found := _BOUNDS.search(error)) is not None:
        label = int(found[1])
        yield Finding(
            "labels-out-of-range",
            f"There is a label {label}, for which the network has no output.",
            "fault",
            0.97,
            (Fact("what ended the training", error.splitlines()[0]),),
            change="number the classes from 0 (labels - 1 where they begin at 1), and give the network as many outputs",
            where=facts(case).place,
            explains=("labels-start-at-one", "class-missing", "no-steps", "too-few-steps"),
        )
    elif _TYPES.search(error) is not None:
        yield Finding(
            "labels-of-wrong-kind",
            "The loss refuses its targets: their type or shape is of another kind of loss.",
            "fault",
            0.9,
            (Fact("what ended the training", error.splitlines()[0]),),
            change="cross entropy: whole numbers (N,), or probabilities (N, K) as floats; binary cross entropy and "
            "squared error: floats of the shape of the answers",
            where=facts(case).place,
            explains=("no-steps", "too-few-steps"),
        )


@check("labels-out-of-range")
def labels_in_range(case: Case) -> Iterator[Finding]:
    """Look at the values of targets: what a loss of two classes, or of probabilities, can be compared with."""
    batch = next((b for b in case.batches if b.criterion is not None and b.targets is not None), None)
    if batch is None:
        return
    assert batch.criterion is not None
    assert batch.targets is not None
    every = [b.targets for b in case.batches if b.targets is not None]
    if any(not t.numel() or not bool(t.isfinite().all()) for t in every):
        return
    least, most = min(float(t.min()) for t in every), max(float(t.max()) for t in every)
    kind, expected = batch.criterion.kind, ""
    if kind.startswith("binary") and (least < 0 or most > 1):
        expected = "0 and 1"
    elif kind == "cross entropy" and batch.targets.is_floating_point() and batch.targets.ndim >= 2:
        sums = torch.cat([t.sum(1).reshape(-1) for t in every])
        if least < 0 or float((sums - 1).abs().max()) > 0.05:
            expected = "probabilities that add up to 1"
    if not expected:
        return
    yield Finding(
        "labels-out-of-range",
        f"The targets of the {kind} are not what it compares with.",
        "fault" if kind.startswith("binary") else "warning",
        0.93 if kind.startswith("binary") else 0.55,
        (Fact("targets", f"from {least:.4g} to {most:.4g}"), Fact("what the loss expects", expected)),
        change="write the two classes as 0.0 and 1.0"
        if kind.startswith("binary")
        else "one class each: its number as int64 (N,); several at once: binary cross entropy with logits",
        where=case.place(batch.line(batch.criterion.operation)),
        explains=(*LEARNS_LITTLE, "loss-with-wrong-sign", "loss-diverges", "target-not-scaled"),
    )


@check("labels-start-at-one", "class-missing")
def classes_occur(case: Case) -> Iterator[Finding]:
    """Count classes in training: which never occur, though the network has an output for them, or validation does."""
    known = facts(case)
    labels = class_targets(known.train)
    batch = next((b for b in case.batches if b.criterion is not None), None)
    if labels is None or batch is None or case.task != "classes" or not len(labels):
        return
    assert batch.criterion is not None
    shape = batch.tape.values[batch.criterion.prediction].shape
    outputs = shape[1] if len(shape) > 1 else 0
    counts = torch.bincount(labels.clamp_min(0), minlength=outputs)
    where = case.place(batch.line(batch.criterion.operation))
    parts = [part for part in map(class_targets, known.fed) if part is not None]
    drawn = bool(parts) and len(parts[0]) >= 8 and int(labels.min()) >= 0 and between(tuple(parts)) < ORDERED
    whole = len(known.known) <= 1.1 * len(labels)  # else what was not recorded may be of other classes
    valid = class_targets(known.valid)
    missing = _missing(counts, valid) if whole or drawn else []
    if missing:
        yield Finding(
            "class-missing",
            f"Classes {missing} are among the validation and never in training.",
            "fault",
            0.93,
            (Fact("examples of each class in training", str(counts.tolist()[:20])),),
            change="shuffle before splitting, or split by class (stratify=labels)",
            where=where,
            explains=("validation-prepared-differently", "overfits", "data-not-shuffled", "class-missing"),
        )
        return
    first = batch.criterion.options.get("ignore_index", -100)
    others = counts[1:outputs].double()
    enough = len(others) > 0 and float(others.min()) > max(8.0, 0.4 * float(others.median()))  # 0 is not merely rare
    from_one = 3 <= outputs <= 100 and int(counts[0]) == 0 and enough and first != 0
    if (whole or drawn) and from_one and (valid is None or not bool((valid == 0).any())):
        yield Finding(
            "labels-start-at-one",
            "The labels begin at 1: class 0 never occurs and its output is of no use.",
            "warning",
            0.55,
            (Fact("examples of each class", str(counts.tolist()[:20])),),
            change="number the classes from 0: labels - 1, and one output less",
            where=where,
        )


def _missing(counts: Tensor, valid: Tensor | None) -> list[int]:
    """The classes of the validation that training lacks, and not by chance."""
    if valid is None or not len(valid) or int(valid.min()) < 0:
        return []
    share = torch.bincount(valid, minlength=len(counts)).double() / len(valid)
    total = int(counts.sum())
    padded = torch.nn.functional.pad(counts, (0, max(0, len(share) - len(counts))))
    return [c for c in range(len(share)) if padded[c] == 0 and share[c] > 0 and (1 - float(share[c])) ** total < SURELY]


@check("labels-numbered-differently")
def numbered_differently(case: Case) -> Iterator[Finding]:
    """Match predicted classes with those of the validation: is it right but for the numbers?"""
    from scipy.optimize import linear_sum_assignment

    valid = facts(case).valid
    labels = class_targets(valid)
    if valid is None or labels is None or valid.answers is None or valid.answers.ndim != 2 or len(labels) < 50:
        return
    classes = valid.answers.shape[1]
    if classes < 2 or classes > 200 or int(labels.min()) < 0 or int(labels.max()) > classes:
        return
    predicted = valid.answers.argmax(1)
    table = torch.zeros(classes, classes + 1, dtype=torch.long)
    table.index_put_((predicted, labels), torch.ones(len(labels), dtype=torch.long), accumulate=True)
    right = float((predicted == labels).double().mean())
    rows, places = linear_sum_assignment(-table.numpy())
    matched = float(table[rows, places].sum()) / len(labels)
    frequent = float(torch.bincount(labels).max()) / len(labels)
    if matched < right + MATCHED or matched < frequent + 0.15 or matched < 0.5:
        return
    moved = [(int(p), int(t)) for p, t in zip(rows, places) if p != t and table[p, t] > 0]
    yield Finding(
        "labels-numbered-differently",
        "Training and validation number the classes differently.",
        "fault",
        0.94,
        (
            Fact("accuracy on the validation", f"{right:.1%}"),
            Fact("accuracy when classes are matched by what is answered", f"{matched:.1%}"),
            Fact("answered class and true one", ", ".join(f"{p} is {t}" for p, t in moved[:8])),
        ),
        change="number the classes once, on the training part, and use the same numbers everywhere",
        where=facts(case).place,
        tried=Tried("the classes renumbered", f"accuracy {right:.1%}", f"accuracy {matched:.1%}", True),
        explains=(
            "labels-unrelated",
            "overfits",
            "validation-prepared-differently",
            "one-answer-for-all",
            "labels-partly-wrong",
        ),
    )
