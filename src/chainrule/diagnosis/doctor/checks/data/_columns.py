"""Columns that were mixed up: in another order in each batch, or examples scaled where columns should be."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import line_of, name_of, spelled
from chainrule.diagnosis.doctor.checks.data._again import again, compare
from chainrule.diagnosis.doctor.checks.data._facts import facts
from chainrule.diagnosis.doctor.checks.data._scale import statistics
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

ALIKE, SAME = 0.3, 0.95
"""Correlation of the columns' means from batch to batch below which their order changes, where the same means in order
of size are alike by at least the second."""
EXACT = 2e-3
"""How near to 0 and 1 the mean and spread of every example are that was scaled by its own."""
UNLIKE = 1.0
"""Spread of the columns' means then, from which columns were of different kinds: one was far larger in all examples."""
GAIN = 0.8
"""What must be left of the loss once columns are scaled as well."""


@check("columns-in-changing-order")
def changing_order(case: Case) -> Iterator[Finding]:
    """Compare the means of columns from batch to batch, as they stand and in order of size."""
    fed = [f.inputs for f in facts(case).fed if f.inputs.ndim == 2 and f.inputs.is_floating_point()]
    fed = [inputs for inputs in fed if len(inputs) >= 16 and inputs.shape == fed[0].shape]
    if len(fed) < 4 or fed[0].shape[1] < 6 or not all(bool(inputs.isfinite().all()) for inputs in fed):
        return
    means = torch.stack([inputs.double().mean(0) for inputs in fed[:12]])
    if float(means.std(1).min()) < 1e-9:
        return
    plain, sized = (_correlation(m) for m in (means, means.sort(1).values))
    error = float(torch.cat(fed).double().std()) / len(fed[0]) ** 0.5
    if plain > ALIKE or sized < SAME or float(means.std(1).mean()) < 2.5 * error:
        return
    yield Finding(
        "columns-in-changing-order",
        "The columns of the input are in another order in each batch.",
        "fault",
        0.95,
        (
            Fact("correlation of the columns' means from batch to batch", f"{plain:.2f} (usual: above 0.9)"),
            Fact("the same with means in order of size", f"{sized:.2f}"),
        ),
        change="shuffle the rows only: x[torch.randperm(len(x))], axis 0",
        where=facts(case).place,
        explains=(*LEARNS_LITTLE, "labels-unrelated", "validation-prepared-differently", "overfits",
                  "labels-partly-wrong", "augmentation-breaks-label"),
    )  # fmt: skip


def _correlation(means: Tensor) -> float:
    matrix = torch.corrcoef(means).nan_to_num()
    return float((matrix.sum() - matrix.diagonal().sum()) / (len(matrix) * (len(matrix) - 1)))


@check("scaled-over-wrong-axis", experiment=True)
def scaled_over_wrong_axis(case: Case) -> Iterator[Finding]:
    """Look for tables whose rows, not columns, have mean 0 and spread 1; train again with columns scaled."""
    known = facts(case)
    train = known.train
    if train is None or train.inputs.ndim != 2 or not train.inputs.is_floating_point() or len(train.inputs) < 40:
        return
    table = train.inputs.double()
    if not 4 <= table.shape[1] <= 64 or not bool(table.isfinite().all()) or len(known.fed) != len(case.batches):
        return
    how, node = _of_rows(table), _line(case)
    if how is None:
        return
    unlike = float(table.mean(0).std()) / max(float(table.std()), 1e-9) >= 0.5 * UNLIKE
    if not unlike:  # columns of one scale: signals and pictures are rightly scaled so
        node = _rows_standardized(case)
        if node is None or not how.startswith("mean") or _is_signal(table):
            return
    mean, spread = statistics(train.inputs, per_column=True)
    scaled = {i: ((f.inputs - mean) / spread).to(f.inputs.dtype) for i, f in enumerate(known.fed)}
    before, after = again(case), again(case, inputs=scaled)
    old, new = compare(before, after)
    helped = new < GAIN * old
    if not helped and node is None:
        return
    yield Finding(
        "scaled-over-wrong-axis",
        f"Each example is scaled by itself ({how}), and not each column: what differs between examples is lost.",
        "fault" if helped else "note",
        0.9 if helped else 0.4,
        (
            Fact("mean and spread of every example", how),
            Fact("spread of the columns' means", f"{float(table.mean(0).std()):.2f} (scaled columns: 0)"),
            Fact("correlation of neighboring columns", f"{_near(table):.2f}"),
        ),
        change="x.mean(0) and x.std(0): axis 0, over the examples, of the training part",
        where=case.place(line_of(case, node)) if node is not None else known.place,
        tried=Tried("columns scaled as well", f"loss {old:.4g}", f"loss {new:.4g}", helped),
        explains=(*LEARNS_LITTLE, "input-not-scaled", "input-squeezed", "labels-unrelated"),
    )


def _near(table: Tensor) -> float:
    """The mean correlation of each column with the next."""
    return float(torch.corrcoef(table.T).nan_to_num().diagonal(1).mean())


def _is_signal(table: Tensor) -> bool:
    """Whether columns are like their neighbors, and far less like those far off."""
    matrix = torch.corrcoef(table.T).nan_to_num()
    size = len(matrix)
    far = torch.cat([matrix.diagonal(k) for k in range(max(2, size // 2), size)])
    return _near(table) > 0.25 and _near(table) > float(far.mean()) + 0.2


def _rows_standardized(case: Case) -> ast.AST | None:
    """Where rows of a table are brought to mean 0 and spread 1: both over axis 1 in one expression, or by a scaler."""
    for node in ast.walk(case.source.tree):
        if isinstance(node, ast.Call):
            name = name_of(node)
            if name in ("scale", "zscore") and any(k.arg == "axis" and spelled(k.value) in ("1", "-1")
                                                   for k in node.keywords):  # fmt: skip
                return node
            if name == "fit_transform" and node.args and spelled(node.args[0]).endswith(".T"):
                return node
        if isinstance(node, (ast.FunctionDef, ast.Module)):
            over = {call for call in ("mean", "std", "var") if _over_rows(node, call)}
            if "mean" in over and over & {"std", "var"}:
                inner = [n for n in ast.walk(node) if isinstance(n, ast.FunctionDef) and n is not node]
                if not any(_over_rows(each, "mean") for each in inner):
                    return _over_rows(node, "mean")
    return None


def _over_rows(tree: ast.AST, wanted: str) -> ast.AST | None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == wanted:
            given = [*node.args[:2], *(k.value for k in node.keywords if k.arg in ("axis", "dim"))]
            if any(spelled(argument) in ("1", "-1") for argument in given):
                return node
    return None


def _of_rows(table: Tensor) -> str | None:
    """What every row has alike: mean 0 and spread 1, length 1, or sum 1."""
    mean, norm = table.mean(1), table.norm(dim=1)
    for correction in (0, 1):
        spread = table.std(1, correction=correction)
        if float(mean.abs().max()) < EXACT and float((spread - 1).abs().max()) < EXACT:
            return "mean 0 and spread 1"
    return "length 1" if float((norm - 1).abs().max()) < EXACT else None


def _line(case: Case) -> ast.AST | None:
    """Where means are taken over the columns of an example, or rows are brought to length one."""
    for node in ast.walk(case.source.tree):
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node)
        given = [*node.args[:2], *(k.value for k in node.keywords if k.arg in ("axis", "dim"))]
        if name in ("mean", "std") and any(spelled(argument) in ("1", "-1") for argument in given):
            return node
        if name in ("normalize", "Normalizer"):
            return node
    return None
