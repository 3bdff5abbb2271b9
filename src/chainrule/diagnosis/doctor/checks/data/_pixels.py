"""Inputs that have lost what they said: whole-number division, clipping."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Line
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import spelled
from chainrule.diagnosis.doctor.checks.data._facts import columns, facts
from chainrule.diagnosis.doctor.findings import Fact, Finding

LEVELS = 0.02
"""Values that differ, per column and hundred examples, below which something was rounded away. Photographs have up to
256 levels, drawings dozens."""
SET = 0.05
"""Share of pixels that are not the commonest value, below which two-valued pictures say little; digits cut at the
middle of their range have about 0.12."""
WHOLE = 64
"""A whole-number division by at least this rounds pixels and such to almost nothing."""
PILED = 0.08
"""Share of values at the least and at the most one, both, from which a column looks clipped."""


@check("input-rounded-away", "input-clipped")
def rounded_or_clipped(case: Case) -> Iterator[Finding]:
    """Look for inputs of very few different values, and at how they were divided; and for values piled up at bounds."""
    known = facts(case)
    train = known.train
    if train is None or not train.inputs.is_floating_point() or len(train.inputs) < 32 or train.inputs.ndim < 2:
        return
    table = columns(train.inputs)
    if table.shape[1] < 4 or not bool(table.isfinite().all()):
        return
    values, counts = table.reshape(-1).unique(return_counts=True)
    commonest = float(counts.max()) / table.numel()
    divided = _whole_divisions(case)
    few = len(values) <= 17
    if not divided and len(values) <= 4 and commonest > 0.7 and table.shape[1] >= 8:
        divided = _cast_back(case)
    rare = len(values) <= 3 and 1 - commonest < SET and train.inputs.ndim >= 3
    if few and (divided or rare):
        yield Finding(
            "input-rounded-away",
            "A division of whole numbers has rounded the inputs to almost nothing.",
            "fault",
            0.93 if divided else 0.6,
            (
                Fact("different values among all inputs", f"{len(values)} (pictures of 256 levels have up to 256)"),
                Fact("share of the commonest", f"{commonest:.1%}"),
                *(Fact("whole-number division", case.source.line(line[1])) for line in divided[:1]),
            ),
            change="divide floats: x.float() / 255 instead of x // 255",
            where=case.place(divided[0]) if divided else known.place,
            explains=(
                *LEARNS_LITTLE,
                "input-not-scaled",
                "constant-columns",
                "dead-units",
                "validation-among-training",
                "input-squeezed",
            ),
        )
    elif (piled := _piled(case)) is not None:
        yield piled


def _whole_divisions(case: Case) -> list[Line]:
    """Lines of the program that divide by a large whole number with `//`, or cut a quotient to whole numbers."""
    if case.source.path is None:
        return []
    found = []
    for node in ast.walk(case.source.tree):
        if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.FloorDiv):
            divisor = node.right if isinstance(node, ast.BinOp) else node.value
            if isinstance(divisor, ast.Constant) and isinstance(divisor.value, (int, float)) and divisor.value >= WHOLE:
                found.append((str(case.source.path), node.lineno))
        elif isinstance(node, ast.Call) and _cuts(node):
            found.append((str(case.source.path), node.lineno))
    return found


def _cast_back(case: Case) -> list[Line]:
    """Lines that make quotients whole numbers, of any divisor, or whole numbers floats again in one breath."""
    found = []
    for node in ast.walk(case.source.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        inner, text = node.func.value, spelled(node)
        whole = _to_whole(node)
        quotient = isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Div)
        again = isinstance(inner, ast.Call) and _to_whole(inner) and "float" in text[len(spelled(inner)) :]
        if case.source.path is not None and ((whole and quotient) or again):
            found.append((str(case.source.path), node.lineno))
    return found


def _to_whole(node: ast.Call) -> bool:
    if not isinstance(node.func, ast.Attribute):
        return False
    kinds = " ".join(spelled(argument) for argument in node.args)
    return node.func.attr in ("long", "int", "byte") or (node.func.attr in ("astype", "to", "type") and "int" in kinds)


def _cuts(node: ast.Call) -> bool:
    """Whether a quotient is made a whole number: `(x / 255).long()`, `(x / 255).astype(int)`."""
    if not isinstance(node.func, ast.Attribute):
        return False
    inner = node.func.value
    by = inner.right if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Div) else None
    large = isinstance(by, ast.Constant) and isinstance(by.value, (int, float)) and by.value >= WHOLE
    return large and _to_whole(node)


def _piled(case: Case) -> Finding | None:
    """Columns whose values pile up at one least and one most value that all columns share."""
    known = facts(case)
    assert known.train is not None
    table = columns(known.train.inputs)
    least, most = table.min(), table.max()
    if table.shape[1] > 512 or known.train.inputs.ndim != 2 or len(table) < 64 or len(table.reshape(-1).unique()) < 50:
        return None
    low, high = (table == least).double().mean(0), (table == most).double().mean(0)
    if float(low.median()) < PILED or float(high.median()) < PILED:
        return None
    return Finding(
        "input-clipped",
        f"The inputs look clipped to {float(least):.3g} to {float(most):.3g}.",
        "warning",
        0.55,
        (
            Fact("share at the least value, median of columns", f"{float(low.median()):.1%}"),
            Fact("share at the most value", f"{float(high.median()):.1%}"),
        ),
        change="scale before clipping, or clip far outside of the usual range (several spreads)",
        where=known.place,
    )
