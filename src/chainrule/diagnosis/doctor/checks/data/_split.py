"""Ordered data that were cut into training and validation as they stood."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._passes import CALLS
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import calls, line_of, spelled
from chainrule.diagnosis.doctor.checks.data._again import score
from chainrule.diagnosis.doctor.checks.data._facts import Facts, class_targets, facts
from chainrule.diagnosis.doctor.checks.data._order import between
from chainrule.diagnosis.doctor.findings import Fact, Finding

SURELY = 1e-6
"""A class of one part that would be missing from the other by chance less often is missing."""
SHARE = 0.3
"""Share of one part's examples whose classes the other part lacks, from which both were cut from sorted data."""
ORDERED = 0.4
"""Share of the variance of classes between batches, from which the recorded ones say nothing of the others."""
OUTSIDE = 0.5
"""Share of the validation's targets that lie outside of those of training."""
_EXPLAINS = ("class-missing", "overfits", "validation-prepared-differently", "one-answer-for-all", "target-constant",
             "labels-start-at-one", "labels-numbered-differently", "rate-too-low", "too-few-steps")  # fmt: skip


@check("split-not-shuffled")
def split_in_order(case: Case) -> Iterator[Finding]:
    """Compare the classes, or the range of numbers, of training and validation."""
    known = facts(case)
    if known.train is None or known.valid is None or not case.evaluations or len(case.evaluations[-1]) >= CALLS:
        return
    seen, asked = class_targets(known.train), class_targets(known.valid)
    if seen is not None and asked is not None and case.task in ("classes", "yes or no"):
        yield from _of_classes(case, known, seen, asked)
    elif case.task == "numbers":
        yield from _of_numbers(case, known)


def _of_classes(case: Case, known: Facts, seen: Tensor, asked: Tensor) -> Iterator[Finding]:
    parts = [part for part in map(class_targets, known.fed) if part is not None and len(part)]
    if len(asked) < 20 or len(seen) < 30 or min(int(seen.min()), int(asked.min())) < 0:
        return
    if not _same_question(case, known):
        return  # a head for other classes was put on a trunk
    drawn = bool(parts) and between(tuple(parts)) < ORDERED
    if not drawn and len(known.known) > 1.1 * len(seen):
        return
    size = int(max(seen.max(), asked.max())) + 1
    first, second = (torch.bincount(part, minlength=size).double() / len(part) for part in (seen, asked))
    lacked = _lacking(first, second, len(asked))  # of training, in the validation
    new = _lacking(second, first, len(seen))
    gone, fresh = float(first[lacked].sum()), float(second[new].sum())
    if max(gone, fresh) < SHARE or (gone < SHARE and fresh < 0.9):
        return  # classes that only training lacks are another matter
    split = _split(case)
    yield Finding(
        "split-not-shuffled",
        "Sorted data were split as they stood: training and validation hold different classes.",
        "fault",
        0.95,
        (
            Fact("classes of training that the validation lacks", str(lacked[:12])),
            Fact("classes of the validation that training lacks", str(new[:12])),
            Fact("shares of the classes in training", str([round(float(x), 3) for x in first[:12]])),
            Fact("in the validation", str([round(float(x), 3) for x in second[:12]])),
        ),
        change="shuffle before splitting (torch.randperm, train_test_split, KFold(shuffle=True)), or split by class "
        "(stratify=labels)",
        where=case.place(line_of(case, split)) if split else known.place,
        explains=_EXPLAINS,
    )


def _same_question(case: Case, known: Facts) -> bool:
    """Whether as many scores are given in the evaluation as in the recorded steps."""
    answers = None if known.valid is None else known.valid.answers
    given = [batch.tape.values[batch.criterion.prediction].shape for batch in case.batches if batch.criterion]
    if answers is None or answers.ndim < 2 or not given or len(given[0]) < 2:
        return True
    return answers.shape[-1] == given[0][-1]


def _lacking(there: Tensor, here: Tensor, count: int) -> list[int]:
    """The classes that occur there and not here, and not by chance."""
    return [c for c in range(len(there)) if here[c] == 0 and there[c] > 0 and (1 - float(there[c])) ** count < SURELY]


def _of_numbers(case: Case, known: Facts) -> Iterator[Finding]:
    assert known.train is not None
    assert known.valid is not None
    seen, asked = known.train.targets, known.valid.targets
    if seen is None or asked is None or not known.train.paired or not known.valid.paired:
        return
    if not seen.is_floating_point() or seen[0].numel() != 1 or asked[0].numel() != 1 or len(asked) < 20:
        return
    parts = [fed.targets.reshape(-1).double() for fed in known.fed if fed.targets is not None]
    means = torch.stack([part.mean() for part in parts])
    seen, asked = seen.reshape(-1).double(), asked.reshape(-1).double()
    if len(seen) < 60 or float(means.var(correction=0)) > 0.5 * float(seen.var(correction=0)):
        return  # training itself comes in order: its other targets may be anywhere
    low, high = seen.quantile(0.002), seen.quantile(0.998)
    outside = float(((asked < low) | (asked > high)).double().mean())
    if outside < OUTSIDE or float(asked.var()) > float(seen.var()):
        return
    explained = score(known.valid.answers, known.valid.targets)
    bad = explained is None or explained < 0.3
    split = _split(case)
    yield Finding(
        "split-not-shuffled",
        "Sorted data were split as they stood: the validation's targets lie outside of those of training.",
        ("fault" if known.train.inputs.ndim == 2 else "warning") if bad else "note",
        0.85 if bad else 0.4,
        (
            Fact("validation targets outside of nearly all of training", f"{outside:.0%}"),
            Fact("targets of training", f"{float(seen.min()):.4g} to {float(seen.max()):.4g}"),
            Fact("of the validation", f"{float(asked.min()):.4g} to {float(asked.max()):.4g}"),
            *((Fact("variance explained there", f"{explained:.2f}"),) if explained is not None else ()),
        ),
        change="shuffle before splitting; of a series that grows, forecast differences",
        where=case.place(line_of(case, split)) if split else known.place,
        explains=("overfits", "validation-prepared-differently", "prediction-not-scaled-back"),
    )


def _split(case: Case) -> ast.AST | None:
    """Where data are split in their order: folds that are not shuffled, or slices up to a place and from it on."""
    tree = case.source.tree
    for call in calls(tree, frozenset({"train_test_split"})):
        if any(k.arg == "shuffle" and isinstance(k.value, ast.Constant) and not k.value.value for k in call.keywords):
            return call
    for call in calls(tree, frozenset({"KFold", "StratifiedKFold", "GroupKFold"})):
        if not any(k.arg == "shuffle" for k in call.keywords):
            return call
    heads = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            inner = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
            if isinstance(inner, ast.Slice) and inner.lower is None and inner.upper is not None:
                heads[spelled(node.value), spelled(inner.upper)] = node
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and node.slice.lower is not None:
            found = heads.get((spelled(node.value), spelled(node.slice.lower)))
            if found is not None:
                return found
    return None
