"""Steps by hand that change nothing: what they compute becomes another tensor than the network's own."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Made, Moved
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_NOTHING
from chainrule.diagnosis.doctor.checks._program import line_of
from chainrule.diagnosis.doctor.checks.learning._loop import weights
from chainrule.diagnosis.doctor.checks.learning.gradients import LEAST
from chainrule.diagnosis.doctor.findings import Fact, Finding

FEWEST = 10
"""Backward passes from which on somebody wants to learn from them."""


@check("update-of-a-copy")
def update_of_a_copy(case: Case) -> Iterator[Finding]:
    """Backward passes without any optimizer of torch's, or with steps of one's own, and weights that never move."""
    used = case.rehearsal.used
    mine = [w for w in weights(case) if id(w.tensor) in used and w.tensor.requires_grad]
    if not mine or any(w.moved for w in mine) or len(case.losses) < max(LEAST, FEWEST):
        return
    if case.moves:
        if not _idle(case.moves):
            return
    elif case.seen.of(Made):
        return  # its step is never called
    statement = _rebound(case.source.tree)
    if statement is None and not case.moves and case.source.path is not None:
        return  # somebody looks at gradients, and learns nothing from them
    yield Finding(
        "update-of-a-copy",
        "Steps are computed and the network's own weights never change: the result is given to a name of the loop.",
        "fault",
        0.97 if statement is not None else 0.85,
        (
            Fact("backward passes", f"{len(case.losses)}"),
            Fact("weights that are as they were at first", f"all of {len(mine)} tensors"),
        ),
        "Change the parameter itself: `p -= rate * p.grad`, `p.sub_(...)` or `p.data = ...` under `torch.no_grad()`.",
        case.place(line_of(case, statement) or case.seen.recorded[0].line),
        explains=(*LEARNS_NOTHING, "step-never-called", "evaluated-another-model"),
    )


def _idle(moves: list[Moved]) -> bool:
    """Whether the steps have gradients and a rate, and change nothing."""
    looked = [m for m in moves if m.change is not None]
    return len(looked) >= LEAST and all(
        m.change == 0.0 and m.norm > 0.0 and max(m.rates, default=0) > 0 for m in looked
    )


def _rebound(tree: ast.AST) -> ast.AST | None:
    """Where a name that stands for a weight in a loop, or a list of them, is given the result of a subtraction."""
    for loop in (node for node in ast.walk(tree) if isinstance(node, ast.For)):
        names = {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
        for node in ast.walk(loop):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if name in names and _takes_away(node.value, name):
                    return node
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, (ast.ListComp, ast.GeneratorExp)):
            names = {n.id for c in node.value.generators for n in ast.walk(c.target) if isinstance(n, ast.Name)}
            if any(_takes_away(node.value.elt, name) for name in names):
                return node
    return None


def _takes_away(value: ast.AST, name: str) -> bool:
    """Whether it is the name, and something added to it or taken from it."""
    for node in ast.walk(value):
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Sub, ast.Add)):
            side = node.left
            while isinstance(side, ast.BinOp):
                side = side.left
            side = side.value if isinstance(side, ast.Attribute) and side.attr == "data" else side
            if isinstance(side, ast.Name) and side.id == name:
                return True
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in ("sub", "add") and isinstance(called.value, ast.Name):
            return called.value.id == name
    return False
