"""Patience that only grows shorter: a count of epochs without progress that progress does not set back."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import Function, line_of, loops_around, spelled
from chainrule.diagnosis.doctor.findings import Fact, Finding


@check("patience-never-reset")
def patience_never_reset(case: Case) -> Iterator[Finding]:
    """A count of epochs without progress that progress does not set back, and that ends the training; as written."""
    tree = case.source.tree
    for branch in (node for node in ast.walk(tree) if isinstance(node, ast.If)):
        if not branch.orelse or not isinstance(branch.test, ast.Compare) or "best" not in spelled(branch.test).lower():
            continue
        counted = [
            s for s in branch.orelse
            if isinstance(s, ast.AugAssign) and isinstance(s.op, ast.Add) and spelled(s.value) == "1"
        ]  # fmt: skip
        for statement in counted:
            name = spelled(statement.target)
            ends = [
                n for n in ast.walk(tree)
                if isinstance(n, ast.If) and name in spelled(n.test).split() and n is not branch
                and any(isinstance(s, (ast.Break, ast.Return)) for b in n.body for s in ast.walk(b))
            ]  # fmt: skip
            if _set_back(tree, statement, branch) or not ends:
                continue
            yield Finding(
                "patience-never-reset",
                f"`{name}` counts all epochs without progress, and not those in a row: progress does not set it back.",
                "warning",
                0.6,
                (Fact("counted", f"{name} += 1"), Fact("ends the training", spelled(ends[0].test))),
                f"`{name} = 0` where the best is renewed.",
                case.place(line_of(case, branch)),
                explains=("stopped-too-early", "too-few-steps", "underfits"),
            )
            return


def _set_back(tree: ast.AST, counted: ast.AugAssign, branch: ast.If) -> bool:
    """Whether the count is given another value, beside what it begins at.

    An attribute begins in `__init__`; a name in the same function, before the branch and outside of its loop.
    """
    name = spelled(counted.target)
    inner = loops_around(tree, branch.lineno)[-1:]
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)) and node is not counted:
            targets = [node.target]
        else:
            continue
        if not any(spelled(each) == name for target in targets for each in ast.walk(target)):
            continue
        within = _holder(tree, node)
        if isinstance(counted.target, ast.Attribute):
            begins = within is not None and within.name == "__init__"
        else:
            looped = any(loop.lineno <= node.lineno <= (loop.end_lineno or loop.lineno) for loop in inner)
            begins = within is _holder(tree, counted) and node.lineno < branch.lineno and not looped
        if not begins:
            return True
    return False


def _holder(tree: ast.AST, node: ast.stmt) -> Function | None:
    """The innermost function that a statement stands in."""
    known = (each for each in ast.walk(tree) if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)))
    around = [f for f in known if f.lineno <= node.lineno <= (f.end_lineno or f.lineno)]
    return max(around, key=lambda f: f.lineno, default=None)
