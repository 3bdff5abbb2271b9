"""Training data that become more from epoch to epoch."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Forward, Moved, Printed
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import line_of, loops, name_of, spelled
from chainrule.diagnosis.doctor.checks.data._facts import facts
from chainrule.diagnosis.doctor.findings import Fact, Finding

TIMES = 1.8
"""Steps of the last epoch over those of the first, from which somebody did not mean it."""
EPOCHS = 4
"""Epochs that are needed to see growth."""
_ADDS = frozenset({"cat", "concatenate", "concat", "vstack", "hstack", "append", "extend", "ConcatDataset", "stack"})


@check("data-grows")
def data_grows(case: Case) -> Iterator[Finding]:
    """Count the steps between two evaluations, or two lines of print: do they become more each time?"""
    counts = next((found for found in _counts(case) if _growing(found)), None)
    if counts is None:
        return
    node = _adding(case)
    if node is None and counts[-1] < 4 * counts[0]:
        return
    yield Finding(
        "data-grows",
        "The training data grow from epoch to epoch: what is added stays, and is added to again.",
        "fault" if node is not None else "warning",
        0.95 if node is not None else 0.6,
        (
            Fact("steps in each epoch", ", ".join(map(str, counts[:12]))),
            Fact("last over first", f"{counts[-1] / counts[0]:.1f}"),
        ),
        change="make the enlarged set anew from the original one in each epoch, under another name",
        where=case.place(line_of(case, node)) or facts(case).place,
        explains=("overfits", "validation-among-training", "validation-nearly-training", "data-loading-slow",
                  "few-examples-again", "classes-uneven"),
    )  # fmt: skip


def _counts(case: Case) -> Iterator[list[int]]:
    """Steps between evaluations; between lines of print."""
    for marks in (lambda e: isinstance(e, Forward) and not e.grad, lambda e: isinstance(e, Printed)):
        found, now = [], 0
        for event in case.seen.events:
            if isinstance(event, Moved):
                now += 1
            elif marks(event) and now:
                found.append(now)
                now = 0
        yield found


def _growing(counts: list[int]) -> bool:
    pairs = itertools.pairwise(counts)
    return len(counts) >= EPOCHS and counts[-1] >= TIMES * counts[0] and all(b > a for a, b in pairs)


def _adding(case: Case) -> ast.AST | None:
    """Where, in a loop, a name is made of itself and more."""
    for loop in loops(case.source.tree):
        for node in ast.walk(loop):
            if isinstance(node, ast.Assign):
                names = {n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
                for call in ast.walk(node.value):
                    if isinstance(call, ast.Call) and name_of(call) in _ADDS:
                        used = {n.id for argument in call.args for n in ast.walk(argument) if isinstance(n, ast.Name)}
                        if used & names:
                            return node
                if isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.Add):
                    used = {n.id for n in (node.value.left, node.value.right) if isinstance(n, ast.Name)}
                    if used & names:
                        return node
    for loop in loops(case.source.tree):
        if not any(isinstance(inner, (ast.For, ast.While)) for inner in ast.walk(loop) if inner is not loop):
            continue
        for node in ast.walk(loop):
            if isinstance(node, ast.Call) and name_of(node) in ("extend", "append"):
                said = spelled(node.func).lower()
                if any(word in said for word in ("data", "train", "rows", "sample", "example", "x.", "xs", "pairs")):
                    return node
    return None
