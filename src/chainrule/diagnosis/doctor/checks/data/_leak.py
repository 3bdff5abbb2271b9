"""The target among the inputs: one column, or two together, that say it exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.data._facts import Fed, class_targets, columns, facts
from chainrule.diagnosis.doctor.checks.data._fit import r_squared
from chainrule.diagnosis.doctor.findings import Fact, Finding

EXACT = 0.99985
"""Correlation with the target from which a column is the target: the best honest forecast has noise in it."""
NEARLY = 0.985
"""The same for a column of a table, from which it probably is; and the others must not say it as well."""
OTHERS = 0.9
"""What all other columns together may say of the target (share of variance), for one alone to be suspect."""
PAIRS = 40
"""Columns up to which products and quotients of two are looked at."""
EXAMPLES = 60
"""Examples that are needed."""


@dataclass(frozen=True)
class Told:
    """How well a column, or two, say the target: `value` is a correlation, `how` in words."""

    columns: tuple[int, ...]
    value: float
    how: str


@check("target-among-inputs", "future-in-window")
def target_among_inputs(case: Case) -> Iterator[Finding]:
    """Look for a column that the target can be read off from."""
    known = facts(case)
    train = known.train
    if train is None or train.targets is None or not train.paired or len(train.inputs) < EXAMPLES:
        return
    if train.inputs.ndim < 2 or not train.inputs.is_floating_point() or not bool(train.inputs.isfinite().all()):
        return
    if case.task == "own" and not train.targets.is_floating_point():
        return
    table = columns(train.inputs)
    if table.shape[1] < 2 or table.shape[1] > 4096:
        return
    told = _told(train, table)
    if told is None:
        return
    window = train.inputs.ndim == 3 or _is_window(table)
    sure = told.value >= EXACT
    place = tuple(divmod(told.columns[0], train.inputs.shape[2])) if train.inputs.ndim == 3 else told.columns
    names = f"step {place[0]}" + (f", feature {place[1]}" if train.inputs.shape[2] > 1 else "") if (
        train.inputs.ndim == 3
    ) else " and ".join(map(str, told.columns))  # fmt: skip
    yield Finding(
        "future-in-window" if window else "target-among-inputs",
        f"The window holds the value that is to be forecast, at {names}."
        if window
        else f"The target can be read off from the inputs, column {names}.",
        "fault" if sure else "warning",
        (0.96 if len(told.columns) == 1 else 0.93) if sure else 0.55,
        (
            Fact(f"{told.how} of the target with input {names}", f"{told.value:.5f}"),
            Fact("examples", str(len(table))),
        ),
        change="end the window before the value that is forecast"
        if window
        else "drop the column, and whatever is computed from the target",
        where=known.place,
        explains=("target-among-inputs", "validation-nearly-training"),
    )


def _told(train: Fed, table: Tensor) -> Told | None:
    targets = train.targets
    assert targets is not None
    labels = class_targets(train)
    if labels is not None:
        return _of_classes(table, labels, pictures=train.inputs.ndim > 2)
    flat = targets.reshape(len(targets), -1).float()
    if flat.shape[1] != 1 or not bool(flat.isfinite().all()) or len(flat.unique()) < 12:
        return None
    return _of_numbers(table, flat[:, 0], table_of_columns=train.inputs.ndim == 2)


def _of_numbers(table: Tensor, target: Tensor, *, table_of_columns: bool) -> Told | None:
    plain = _correlation(table, target)
    ranked = _correlation(_ranks(table), _ranks(target[:, None])[:, 0])
    for values, how in ((plain, "correlation"), (ranked, "rank correlation")):
        best = int(values.argmax())
        if float(values[best]) >= EXACT:
            return Told((best,), float(values[best]), how)
    if not table_of_columns:
        return None
    if (pair := _pairs(table, target)) is not None:
        return pair
    both = torch.maximum(plain, ranked)
    best = int(both.argmax())
    if float(both[best]) < NEARLY or _is_window(table):
        return None
    others = table[:, [c for c in range(table.shape[1]) if c != best]]
    if others.shape[1] > len(table) // 3 or r_squared(others, target) > OTHERS:
        return None
    return Told((best,), float(both[best]), "correlation")


def _correlation(table: Tensor, target: Tensor) -> Tensor:
    """The size of each column's correlation with the target; 0 of a column that never changes."""
    table, target = table.double(), target.double()
    centered, wanted = table - table.mean(0), target - target.mean()
    size = centered.norm(dim=0) * wanted.norm()
    usable = centered.norm(dim=0) > 1e-7 * table.norm(dim=0).clamp_min(1e-30)
    return torch.where(usable, (centered * wanted[:, None]).sum(0).abs() / size.clamp_min(1e-30), 0.0)


def _ranks(table: Tensor) -> Tensor:
    """Each value's rank in its column; equal ones share the mean of theirs, so that few levels say what they say."""
    found = []
    for column in table.T:
        _, inverse, counts = column.unique(return_inverse=True, return_counts=True)
        upto = counts.cumsum(0).double()
        found.append((upto - (counts.double() - 1) / 2)[inverse])
    return torch.stack(found, 1)


def _pairs(table: Tensor, target: Tensor) -> Told | None:
    """Two columns whose product, quotient, sum or difference is the target exactly, however each is scaled."""
    count = table.shape[1]
    if not 4 <= count <= PAIRS or len(table) < 4 * EXAMPLES // 3:  # of two or three columns it may be the task
        return None
    table, target = table.double(), target.double()
    for i in range(count):
        for j in range(i + 1, count):
            a, b = table[:, i], table[:, j]
            if len(a.unique()) < 12 or len(b.unique()) < 12:
                continue
            fit = r_squared(torch.stack([a, b, a * b], 1), target)
            alone = max(r_squared(table[:, [i]], target), r_squared(table[:, [j]], target))
            if fit > 0.9997 and alone < 0.98:
                return Told((i, j), fit**0.5, "correlation with the product or sum")
    return None


def _of_classes(table: Tensor, labels: Tensor, *, pictures: bool) -> Told | None:
    """A column in which each class has values of its own, or that says of one class alone whether it is it."""
    classes, inverse, counts = labels.unique(return_inverse=True, return_counts=True)
    if len(classes) < 2 or len(classes) > 100 or int(counts.min()) < 3:
        return None
    table = table.double()
    means = (
        torch.zeros(len(classes), table.shape[1], dtype=torch.double).index_add_(0, inverse, table) / counts[:, None]
    )
    within = (table - means[inverse]).square().sum(0)
    total = (table - table.mean(0)).square().sum(0)
    share = torch.where(total > 0, 1 - within / total.clamp_min(1e-30), 0.0)
    order = share.argsort(descending=True)
    best, second = int(order[0]), float(share[order[1]])
    own = len(means[:, best].unique()) == len(classes)
    if float(share[best]) > EXACT and own and (second < OTHERS or pictures):
        return Told((best,), float(share[best]) ** 0.5, "correlation ratio")
    if not pictures and (place := _row_number(table, inverse, len(classes))) is not None:
        return Told((place,), 1.0, "place in the file, which goes class by class; share")
    for each in range(len(classes)):
        if len(classes) < 3 or int(counts[each]) < 8:
            continue
        indicator = (inverse == each).double()
        values = _correlation(table, indicator)
        if float(values.max()) > EXACT:
            return Told((int(values.argmax()),), float(values.max()), "correlation of one class")
    return None


def _row_number(table: Tensor, labels: Tensor, classes: int) -> int | None:
    """A column that numbers the rows of data that were sorted by class: in its order the classes come one by one."""
    for column in range(min(table.shape[1], 200)):
        values, order = table[:, column].sort()
        steps = values.diff()
        if len(steps) < EXAMPLES - 1 or float(steps.min()) <= 0:
            continue
        least = float(steps.min())
        even = float((steps / least - (steps / least).round()).abs().max()) < 0.02 and float(steps.max()) < 30 * least
        if even and int((labels[order].diff() != 0).sum()) < classes:
            return column
    return None


def _is_window(table: Tensor) -> bool:
    """Whether the columns are one after the other in time: each like the next, and more so than like those far off."""
    if table.shape[1] < 6 or len(table) < EXAMPLES:
        return False
    matrix = torch.corrcoef(table.double().T).nan_to_num()
    near = matrix.diagonal(1)
    spread, mean = table.std(0), table.mean(0)
    alike = float(spread.max()) < 1.3 * float(spread.min()) and float((mean - mean.mean()).abs().max()) < float(
        spread.mean()
    )
    return alike and float(near.min()) > 0.4 and float(near.std()) < 0.1
