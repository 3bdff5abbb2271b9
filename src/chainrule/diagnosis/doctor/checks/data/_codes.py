"""Categories that enter as the mean target of their examples: of which examples?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.data._facts import Fed, columns, facts, number_targets
from chainrule.diagnosis.doctor.checks.data._fit import r_squared
from chainrule.diagnosis.doctor.checks.data._whole import whole
from chainrule.diagnosis.doctor.findings import Fact, Finding

EXACT = 0.9999
"""Share of a column's variance, from category to category, that mean targets explain, from which it is made of them."""
OTHER = 0.9995
"""The same for other examples' means, below which it is not made of those."""
WEIGHTS = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 100.0, 200.0, 300.0)
"""How many examples of the common mean each category may have been given besides its own."""
LEAST, COLUMNS = 8, 200
"""Categories that are needed, and columns that are looked at."""
GAP = 0.08
"""Share of the target's variance that a code explains more in training than in validation, from which what it holds of
each example's own target misleads."""


@dataclass(frozen=True)
class Rows:
    """A table (N, D) with its targets, and which rows were trained on."""

    table: Tensor
    target: Tensor
    trained: Tensor


@check("target-code-of-all-rows", "own-target-in-code")
def target_codes(case: Case) -> Iterator[Finding]:
    """Group the examples by each column: is its value the mean target of the group, and of which examples of it?"""
    rows = _rows(case)
    if rows is None or not bool(rows.table.isfinite().all()):
        return
    for column in range(min(rows.table.shape[1], COLUMNS)):
        values, group = rows.table[:, column].unique(return_inverse=True)
        if not LEAST <= len(values) <= len(rows.table) // 2:
            continue
        count, both = len(values), torch.ones_like(rows.trained)
        of_all = _explained(values, *_sums(group, rows.target, both, count))
        of_training = _explained(values, *_sums(group, rows.target, rows.trained, count))
        if bool((~rows.trained).any()) and of_all > EXACT and of_training < OTHER:
            yield _of_all(case, column, of_all, of_training, count)
            return
        if of_training > EXACT and (found := _own(case, rows, column, of_training, count)) is not None:
            yield found
            return


def _rows(case: Case) -> Rows | None:
    """All rows of training and validation with one target each."""
    known = facts(case)
    if known.train is None or known.train.inputs.ndim != 2 or not known.train.inputs.is_floating_point():
        return None
    every, valid = whole(case), known.valid
    if every is None:
        every_fed, trained = known.train, torch.ones(len(known.train.inputs), dtype=torch.bool)
    else:
        every_fed, trained = Fed(every.inputs, every.targets), every.trained
    target = number_targets(every_fed)
    if target is None or len(target) < 60:
        return None
    table = columns(every_fed.inputs)
    if bool(trained.all()) and valid is not None and valid.inputs.shape[1:] == every_fed.inputs.shape[1:]:
        other = number_targets(valid)
        if other is not None and len(other) == len(valid.inputs):
            table, target = torch.cat([table, columns(valid.inputs)]), torch.cat([target, other])
            trained = torch.cat([trained, torch.zeros(len(other), dtype=torch.bool)])
    return Rows(table, target, trained)


def _sums(group: Tensor, target: Tensor, chosen: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Sum of the targets and number of examples of each group, of the chosen ones."""
    sums = torch.bincount(group[chosen], weights=target[chosen], minlength=count)
    return sums, torch.bincount(group[chosen], minlength=count).double()


def _explained(values: Tensor, sums: Tensor, counts: Tensor) -> float:
    """How much of the groups' values their mean targets explain, drawn to a common mean by one of the weights."""
    best = 0.0
    for weight in WEIGHTS:
        present = counts + weight > 0
        if weight == 0:
            present = counts > 0
        if int(present.sum()) < LEAST:
            continue
        size = counts[present] + weight
        parts = torch.stack([sums[present] / size] if weight == 0 else [sums[present] / size, 1 / size], 1)
        if parts.shape[1] + 5 < len(parts):
            best = max(best, r_squared(parts, values[present]))
    return best


def _of_all(case: Case, column: int, of_all: float, of_training: float, count: int) -> Finding:
    return Finding(
        "target-code-of-all-rows",
        f"Column {column} is the mean target of each category, over all examples, validation included.",
        "fault",
        0.95,
        (
            Fact("share of its variance that mean targets of all examples explain", f"{of_all:.5f}"),
            Fact("those of the training part", f"{of_training:.5f}"),
            Fact("categories", str(count)),
        ),
        change="split first; compute the means on the training part only, each example's own target left out",
        where=facts(case).place,
        explains=("target-among-inputs", "own-target-in-code", "overfits", "selection-before-split"),
    )


def _own(case: Case, rows: Rows, column: int, exact: float, count: int) -> Finding | None:
    """Whether a code of the training part says more of the targets it was made of than of others."""
    code = rows.table[:, column].double()
    held = ~rows.trained
    if int(held.sum()) < 40:
        return None
    inside, outside = (_squared(code[part], rows.target[part]) for part in (rows.trained, held))
    noise = 4 / int(held.sum()) ** 0.5 * max(0.25, outside) ** 0.5
    if inside - outside < max(GAP, noise):
        return None
    return Finding(
        "own-target-in-code",
        f"Column {column} is the mean target of each category, in which each example's own target is: the network "
        "learns to read it back.",
        "fault",
        0.94,
        (
            Fact("share of its variance that mean targets of the training part explain", f"{exact:.5f}"),
            Fact("share of the target's variance that it explains in training", f"{inside:.0%}"),
            Fact("in validation", f"{outside:.0%}"),
            Fact("examples of a category, in the mean", f"{int(rows.trained.sum()) / count:.1f}"),
        ),
        change="code each training example by the others of its category (or by other folds), and the validation by "
        "all of training",
        where=facts(case).place,
        explains=("overfits", "target-among-inputs", "validation-prepared-differently", "labels-partly-wrong"),
    )


def _squared(code: Tensor, target: Tensor) -> float:
    pair = torch.stack([code, target])
    return float(torch.corrcoef(pair)[0, 1].square()) if float(pair.std(1).min()) > 0 else 0.0
