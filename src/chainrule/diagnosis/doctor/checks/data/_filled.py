"""Labels that nobody determined, filled with zero and learned as if they were no."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import line_of, name_of, spelled
from chainrule.diagnosis.doctor.checks.data._facts import facts
from chainrule.diagnosis.doctor.checks.data._whole import held_out
from chainrule.diagnosis.doctor.findings import Fact, Finding

RARER = 0.6
"""Share of positives in training over that in validation, below which they are missing in training."""
ALIKE = 0.25
"""How far that ratio may differ from label to label (a spread over the mean) where all are filled alike."""
_FILLS = frozenset({"nan_to_num", "nan_to_num_", "fillna"})
_NAMES = ("label", "target", "outcome", "result", "answer", "truth", "wanted", "rating")
"""Parts of names of targets; y alone as well."""


@check("unknown-taken-for-no")
def unknown_for_no(case: Case) -> Iterator[Finding]:
    """Several labels per example: are positives rarer in training, alike for all, and is what is missing filled?"""
    train = facts(case).train
    if train is None or not _several(train.targets):
        return
    assert train.targets is not None
    missing = _missing(case, train.targets)
    node = _filling(case)
    rarer = _rarer(case, train.targets)
    if missing is None and (node is None or rarer is None):
        return
    if missing is not None and _left_out(case):
        return
    facts_found = []
    if missing is not None:
        facts_found.append(Fact("targets that were unknown (nan) and are 0 in the loss", f"{missing:.0%}"))
    if rarer is not None:
        facts_found.append(Fact("positives in training and in validation", f"{rarer[0]:.1%} and {rarer[1]:.1%}"))
    yield Finding(
        "unknown-taken-for-no",
        "Labels that nobody determined are filled with zero and learned as if they were negative.",
        "fault",
        0.96 if missing is not None else 0.9,
        tuple(facts_found),
        change='known = ~torch.isnan(y); loss(..., reduction="none")[known].mean()',
        where=case.place(line_of(case, node)) if node is not None else facts(case).place,
        explains=(*LEARNS_LITTLE, "labels-partly-wrong", "classes-uneven", "overfits", "rare-class-neglected",
                  "validation-prepared-differently"),
    )  # fmt: skip


def _several(targets: Tensor | None) -> bool:
    if targets is None or targets.ndim != 2 or targets.shape[1] < 2 or not targets.is_floating_point():
        return False
    return bool(((targets == 0) | (targets == 1)).all()) and len(targets) >= 100


def _missing(case: Case, targets: Tensor) -> float | None:
    """The share of nan among the numbers that a step's targets were made of; None where there is none."""
    for batch in case.batches[:3]:
        wanted = batch.targets
        if wanted is None:
            continue
        for value in batch.tape.values:
            tensor = value.tensor
            if value.operation is not None or tensor.dtype != wanted.dtype or tensor.shape != wanted.shape:
                continue
            unknown = tensor.isnan()
            if bool(unknown.any()) and bool((wanted[unknown] == 0).all()):
                return float(unknown.double().mean())
    return None


def _left_out(case: Case) -> bool:
    """Whether the unknown ones get no gradient: they are taken out of the loss behind the criterion."""
    for batch in case.batches[:1]:
        wanted, criterion = batch.targets, batch.criterion
        if wanted is None or criterion is None:
            return True
        unknown = next((v.tensor.isnan() for v in batch.tape.values if v.operation is None
                        and v.tensor.shape == wanted.shape and v.tensor.is_floating_point()
                        and bool(v.tensor.isnan().any())), None)  # fmt: skip
        if unknown is None:
            return True
        other = wanted.clone()
        other[unknown] = 1.0
        with torch.no_grad():
            given = {criterion.target: other} if criterion.target is not None else None
            plain, changed = (case.rehearsal.loss(0, case.rehearsal.start(), data=data).sum() for data in (None, given))
        return bool((plain - changed).abs() <= 1e-6 * plain.abs())
    return True


def _rarer(case: Case, targets: Tensor) -> tuple[float, float] | None:
    """The share of positives in training and validation, where it is far lower in training, alike for all labels."""
    valid = held_out(case)
    truth = valid.targets if valid is not None else None
    if truth is None or truth.ndim != 2 or truth.shape[1] != targets.shape[1] or len(truth) < 100:
        return None
    mine, theirs = targets.double().mean(0), truth.double().mean(0)
    if float(theirs.min()) < 0.01 or bool(((truth != 0) & (truth != 1)).any()):
        return None
    ratio = mine / theirs
    alike = float(ratio.std()) < ALIKE * float(ratio.mean()) if len(ratio) > 2 else True
    return (float(mine.mean()), float(theirs.mean())) if float(ratio.mean()) < RARER and alike else None


def _filling(case: Case) -> ast.AST | None:
    """Where targets that are missing are filled with zero: by nan_to_num, fillna, or at the places that are nan."""
    for node in ast.walk(case.source.tree):
        if isinstance(node, ast.Call) and name_of(node) in _FILLS:
            owner = node.func.value if isinstance(node.func, ast.Attribute) else node
            if any(_names_targets(each) for each in (owner, *node.args[:1])):
                return node
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            target, written = node.targets[0], spelled(node.targets[0])
            zero = isinstance(node.value, ast.Constant) and node.value.value == 0
            unknown = any(word in written for word in ("isnan", "isnull", "isna", "== -1", "missing", "unknown"))
            if zero and unknown and _names_targets(target.value):
                return node
    return None


def _names_targets(node: ast.AST) -> bool:
    names = {n.id.lower() for n in ast.walk(node) if isinstance(n, ast.Name)}
    names |= {n.attr.lower() for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    return any(name in ("y", "ys", "yt", "y_train") or any(part in name for part in _NAMES) for name in names)
