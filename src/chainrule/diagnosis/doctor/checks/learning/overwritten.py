"""Training data that are lost: their names were given to something else, such as the last piece of the validation."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Forward, Line
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import line_of, loops, loops_around, spelled
from chainrule.diagnosis.doctor.findings import Fact, Finding

FEWEST = 16
"""Different examples from which on they are a part of the data."""
APART = 0.02
"""Share of one part's examples that may be among the other's: equal ones are found in most data."""
SHRUNK = 0.34
"""Share of the examples of the first epoch that are left at most, where names were overwritten by a piece."""
CALLS = 8
"""Calls after that from which on it lasts."""


@check("training-data-overwritten")
def training_data_overwritten(case: Case) -> Iterator[Finding]:
    """The examples of the first epoch beside those of all later ones: is only a piece left, and of what?"""
    calls = [f for f in case.forwards if f.rows is not None]
    begun = next((i for i, f in enumerate(calls) if f.learning), None)
    if begun is None:
        return
    cut = next((i for i in range(begun, len(calls)) if not calls[i].learning), None)
    if cut is None:
        return
    first = [f for f in calls[:cut] if f.learning]
    later = [f for f in calls[cut:] if f.learning]
    if len(later) < CALLS or len({f.line for f in (*first, *later)}) > 1:
        return
    early, late = (torch.unique(_rows(found)) for found in (first, later))
    if len(late) > SHRUNK * len(early) or len(early) < FEWEST:
        return
    evaluated = torch.unique(_rows([f for f in calls if not f.learning]))
    held = float(torch.isin(late, evaluated).double().mean())
    before = float(torch.isin(early, evaluated).double().mean())
    stranger = float(torch.isin(late, early).double().mean()) < APART
    piece = next((f for f in first[-2:] if bool(torch.isin(late, _rows([f])).all())), None)
    if not (held > 1 - APART and before < APART and stranger) and piece is None:
        return
    node, name = _overwritten(case, later[0].line)
    yield Finding(
        "training-data-overwritten",
        "After the first epoch only "
        + (f"the last {len(late)} examples of the validation" if stranger else f"one batch of {len(late)} examples")
        + " are trained on: the names of the training data were given to something else.",
        "fault",
        0.97 if stranger or node is not None else 0.9,
        (
            Fact("different examples in the first epoch", f"{len(early)}"),
            Fact("in all later ones", f"{len(late)}" + (", all of the validation" if stranger else "")),
            *((Fact("name that is used for both", name),) if name else ()),
        ),
        "Names of their own in each loop (`for xb, yb in ...`), or functions for training and evaluation.",
        case.place(line_of(case, node) or later[0].line),
        explains=(
            *LEARNS_LITTLE,
            "overfits",
            "few-examples-again",
            "validation-among-training",
            "metric-on-training-data",
            "learns-from-validation",
            "same-targets-every-step",
            "one-step-an-epoch",
            "evaluates-too-often",
            "batches-overlap",
        ),
    )


def _rows(calls: list[Forward]) -> Tensor:
    found = [f.rows for f in calls if f.rows is not None]
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.int64)


def _overwritten(case: Case, line: Line | None) -> tuple[ast.AST | None, str]:
    """The loop, or assignment in one, that gives another value to a name which the loop over batches takes."""
    if line is None or case.source.path is None:
        return None, ""
    around = loops_around(case.source.tree, line[1])
    taken = {n.id for loop in around for n in ast.walk(loop) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    for loop in (n for n in loops(case.source.tree) if isinstance(n, ast.For)):
        names = {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
        outer = any(o.lineno < loop.lineno <= (o.end_lineno or o.lineno) for o in around)
        loaded = [n for o in around for n in ast.walk(o) if isinstance(n, ast.Name) and n.id in names]
        elsewhere = [n for n in loaded if not loop.lineno <= n.lineno <= (loop.end_lineno or loop.lineno)]
        if outer and names & taken and elsewhere:
            return loop, f"`{sorted(names & {n.id for n in elsewhere})[0]}` in `for {spelled(loop.target)} in ...`"
    return None, ""
