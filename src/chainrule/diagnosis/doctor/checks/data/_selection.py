"""Features chosen with the labels of all examples, validation included."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Line
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import name_of
from chainrule.diagnosis.doctor.checks.data._facts import facts, number_targets
from chainrule.diagnosis.doctor.findings import Fact, Finding

LEAST = 1.9
"""Smallest of all columns' t values on all examples, from which none is there by chance: with eight columns or more
one below it is nearly sure, unless they were chosen."""
EXCESS = 1.3
"""How far the t values lie above the smallest in the mean, below which they are the end of a normal distribution, cut
off where the choice was made; of real features some are far stronger."""
COLUMNS = 8
"""Columns that are needed."""
_SELECTORS = frozenset({"SelectKBest", "SelectPercentile", "SelectFpr", "SelectFdr", "SelectFromModel", "RFE", "RFECV",
                        "f_classif", "f_regression", "mutual_info_classif", "mutual_info_regression", "chi2",
                        "corrwith", "corrcoef", "TargetEncoder"})  # fmt: skip
_SPLITS = frozenset({"train_test_split", "random_split", "KFold", "StratifiedKFold", "permutation", "randperm"})


@check("selection-before-split")
def selected_with_all(case: Case) -> Iterator[Finding]:
    """Put training and validation together: were columns chosen by labels that the choice should not have seen?"""
    known = facts(case)
    train, valid = known.train, known.valid
    if train is None or valid is None or train.inputs.ndim != 2 or not train.inputs.is_floating_point():
        return
    first, second = number_targets(train), number_targets(valid)
    if first is None or second is None or len(first) != len(train.inputs) or len(second) != len(valid.inputs):
        return
    if valid.inputs.shape[1] != train.inputs.shape[1] or len(first) < 30 or len(second) < 20:
        return
    both, wanted = torch.cat([train.inputs, valid.inputs]).float(), torch.cat([first, second])
    if not bool(both.isfinite().all()):
        return
    yield from _chosen(case, both, wanted, len(first))


def t_values(table: Tensor, target: Tensor) -> Tensor:
    """The size of each column's t value: its correlation with the target, in units of what chance gives."""
    centered, wanted = table.double() - table.double().mean(0), target - target.mean()
    r = (centered * wanted[:, None]).sum(0) / (centered.norm(dim=0) * wanted.norm()).clamp_min(1e-30)
    return r.abs() * math.sqrt(max(1, len(table) - 2)) / (1 - r.square()).clamp_min(1e-9).sqrt()


def _chosen(case: Case, both: Tensor, wanted: Tensor, cut: int) -> Iterator[Finding]:
    if both.shape[1] < COLUMNS or both.shape[1] > 2000 or len(facts(case).known) > 1.2 * cut + 8:
        return
    values = t_values(both, wanted)
    own, other = t_values(both[:cut], wanted[:cut]), t_values(both[cut:], wanted[cut:])
    least, excess = float(values.min()), float((values - values.min()).mean())
    if least < LEAST or excess > EXCESS or least < 0.8 * float(own.min()):
        return
    places = _selecting(case)
    in_program = case.source.path is not None
    yield Finding(
        "selection-before-split",
        "The columns look chosen with the labels of all examples, validation included.",
        "fault" if places or not in_program else "warning",
        0.92 if places else 0.7 if not in_program else 0.55,
        (
            Fact("smallest t value of a column on all examples", f"{least:.2f} of {both.shape[1]} columns"),
            Fact("how far the others lie above it, in the mean", f"{excess:.2f} (a choice among many by chance: 0.3)"),
            Fact("median on training and on validation", f"{float(own.median()):.2f} and {float(other.median()):.2f}"),
        ),
        change="split first, and fit the choice of columns on the training part only",
        where=case.place(places[0]) if places else facts(case).place,
        explains=("overfits", "more-parameters-than-examples", "validation-prepared-differently"),
    )


def _selecting(case: Case) -> list[Line]:
    """Lines that choose columns by labels."""
    found = []
    for node in ast.walk(case.source.tree):
        if isinstance(node, ast.Call) and name_of(node) in _SELECTORS:
            found.append((str(case.source.path), node.lineno))
    return found
