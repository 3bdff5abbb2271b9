"""Examples that are changed where they lie, each time they are used."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import functions, line_of, loops
from chainrule.diagnosis.doctor.checks.data._facts import facts
from chainrule.diagnosis.doctor.findings import Fact, Finding, Plot

TIMES = 1.7
"""Spread of the inputs at the end over that at the beginning, or the reverse, from which they are other inputs."""
MOVED = 0.8
"""How far their mean moved, in spreads: the same."""
_IN_PLACE = frozenset({"sub_", "div_", "mul_", "add_", "copy_", "clamp_", "normalize_"})


@check("data-changed-in-place")
def changed_in_place(case: Case) -> Iterator[Finding]:
    """Follow mean and spread of the inputs from the first calls in training to the last."""
    seen = [f.inputs for f in facts(case).learning if f.inputs is not None and f.inputs.dtype.is_floating_point]
    if len(seen) < 24 or len(case.networks) > 1 or not all(math.isfinite(i.mean + i.spread) for i in seen):
        return
    quarter = max(4, len(seen) // 8)
    first, last = seen[:quarter], seen[-quarter:]
    spreads = [sum(i.spread for i in part) / len(part) for part in (first, last)]
    means = [sum(i.mean for i in part) / len(part) for part in (first, last)]
    if min(spreads) < 0 or max(spreads) == 0:
        return
    ratio = spreads[1] / max(spreads[0], 1e-30)
    moved = abs(means[1] - means[0]) / max(spreads)
    within = max(i.spread for i in first) / max(min(i.spread for i in first), 1e-30)
    drifts = (ratio > TIMES or ratio < 1 / TIMES) and not (within > 3 and 1 / within < ratio < within)
    if not drifts and moved < MOVED:
        return
    if not _others_each_time(case):
        return
    node = _in_place(case)
    far = ratio > 5 or ratio < 0.2 or moved > 2
    if node is None and not far:
        return
    yield Finding(
        "data-changed-in-place",
        "The inputs drift from epoch to epoch: the examples themselves are changed each time they are used.",
        "fault",
        0.94 if node is not None else 0.7,
        (
            Fact("spread of the inputs, first calls and last", f"{spreads[0]:.3g} and {spreads[1]:.3g}"),
            Fact("mean", f"{means[0]:.3g} and {means[1]:.3g}"),
        ),
        change="change a copy, under another name: x = self.x[i] / 255, not self.x[i] /= 255; or once before the loop",
        where=case.place(line_of(case, node)) if node is not None else facts(case).place,
        explains=(*LEARNS_LITTLE, "input-squeezed", "input-not-scaled", "validation-prepared-differently", "overfits",
                  "loss-diverges", "rate-too-high", "labels-partly-wrong", "validation-among-training"),
        plot=Plot("spread of the inputs", "call", "spread", {"training": [(n, i.spread) for n, i in enumerate(seen)]}),
    )  # fmt: skip


def _others_each_time(case: Case) -> bool:
    """Whether the last examples are none of those before, though there were enough to meet each again."""
    rows = facts(case).rows
    half = len(rows) // 2
    if len(rows) < 8:
        return False
    again = float(torch.isin(torch.cat(rows[-max(1, half // 4) :]), torch.cat(rows[:half])).double().mean())
    sizes = [made["size"] for made in case.seen.loaders if isinstance(made.get("size"), int)]
    total = sum(len(each) for each in rows)
    return again < 0.2 and (not sizes or total > 1.5 * max(sizes))


def _in_place(case: Case) -> ast.AST | None:
    """Where data are changed in place in a function or a loop: `x /= 255`, `x.sub_(mean)`, `x = x / 255`."""
    tree = case.source.tree
    steps = {"loss", "total", "running", "correct", "count", "right", "i", "step", "n", "epoch", "lr", "beta"}
    for body in (*functions(tree).values(), *loops(tree)):
        for node in ast.walk(body):
            if isinstance(node, ast.AugAssign) and isinstance(node.op, (ast.Sub, ast.Div, ast.Mult, ast.Add)):
                name = ast.unparse(node.target).split("[")[0].split(".")[-1]
                if not any(word in name for word in steps - {"i", "n"}) and name not in steps and not _counts(node):
                    return node
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _IN_PLACE:
                return node
    for loop in loops(tree):
        for node in loop.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and len(node.targets) == 1:
                names = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
                target = node.targets[0]
                inside = any(isinstance(n, (ast.For, ast.While)) for n in ast.walk(loop) if n is not loop)
                if isinstance(target, ast.Name) and target.id in names and inside and target.id not in steps:
                    return node
    return None


def _counts(node: ast.AugAssign) -> bool:
    """Whether something is added up: a number of its own, or what a loop counts."""
    return isinstance(node.op, ast.Add) and not isinstance(node.target, ast.Subscript)
