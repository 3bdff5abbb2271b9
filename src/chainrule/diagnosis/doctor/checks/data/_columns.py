"""Columns that were mixed up: in another order in each batch, or examples scaled where columns should be."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import line_of
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
    how = _of_rows(table)
    if how is None or float(table.mean(0).std()) / max(float(table.std()), 1e-9) < 0.5 * UNLIKE:
        return
    mean, spread = statistics(train.inputs, per_column=True)
    scaled = {i: ((f.inputs - mean) / spread).to(f.inputs.dtype) for i, f in enumerate(known.fed)}
    before, after = again(case), again(case, inputs=scaled)
    old, new = compare(before, after)
    node = _line(case)
    helped = new < 0.8 * old
    if not helped and node is None:
        return
    yield Finding(
        "scaled-over-wrong-axis",
        f"Each example is scaled by itself ({how}), and not each column: what differs between examples is lost.",
        "fault" if helped else "warning",
        0.9 if helped else 0.6,
        (
            Fact("mean and spread of every example", how),
            Fact("spread of the columns' means", f"{float(table.mean(0).std()):.2f} (scaled columns: 0)"),
        ),
        change="x.mean(0) and x.std(0): axis 0, over the examples, of the training part",
        where=case.place(line_of(case, node)) if node is not None else known.place,
        tried=Tried("columns scaled as well", f"loss {old:.4g}", f"loss {new:.4g}", helped),
        explains=(*LEARNS_LITTLE, "input-not-scaled", "input-squeezed", "labels-unrelated"),
    )


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
        if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Attribute, ast.Name)):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        given = [*node.args[:2], *(k.value for k in node.keywords if k.arg in ("axis", "dim"))]
        if name in ("mean", "std") and any(ast.unparse(argument) in ("1", "-1") for argument in given):
            return node
        if name in ("normalize", "Normalizer"):
            return node
    return None
