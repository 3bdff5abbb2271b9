"""Examples that are changed where they lie, each time they are used."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._stored import Stored
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import functions, line_of, loops, spelled
from chainrule.diagnosis.doctor.checks.data._facts import facts
from chainrule.diagnosis.doctor.findings import Fact, Finding, Plot

TIMES = 1.7
"""Spread of the inputs at the end over that at the beginning, or the reverse, from which they are other inputs."""
MOVED = 0.8
"""How far their mean moved, in spreads: the same."""
CHANGED = 0.02
"""Share of the stored numbers that are others at the end, from which the data themselves were changed."""
LIKE = 0.3
"""Correlation of what is stored at the end with what was, below which other data were put there on purpose."""
_IN_PLACE = frozenset({"sub_", "div_", "mul_", "add_", "copy_", "clamp_", "normalize_", "zero_", "fill_",
                       "masked_fill_", "clamp_min_", "clamp_max_", "normal_", "uniform_", "neg_"})  # fmt: skip


@check("data-changed-in-place")
def changed_in_place(case: Case) -> Iterator[Finding]:
    """Look at the stored examples at the beginning and the end; follow the inputs from the first calls to the last."""
    found = next((each for each in case.seen.stored if _is_fed(case, each) and _progressed(each)), None)
    if found is None:
        yield from _drifting(case)
        return
    before, after = found.before, found.after
    share = float((before != after).double().mean())
    node = _in_place(case, exactly=True)
    yield Finding(
        "data-changed-in-place",
        "The stored examples are others at the end than at the beginning: they are changed each time they are used.",
        "fault",
        0.96,
        (
            Fact("stored numbers that were changed", f"{share:.0%}" + (f" of `{found.name}`" if found.name else "")),
            Fact("their mean and spread at first", f"{float(before.mean()):.4g} and {float(before.std()):.4g}"),
            Fact("at the end", f"{float(after.mean()):.4g} and {float(after.std()):.4g}"),
        ),
        change="change a copy: image = self.x[i].clone(), x = x + noise and not x += noise; or once before the loop",
        where=case.place(line_of(case, node)) if node is not None else facts(case).place,
        explains=_EXPLAINED,
    )


_EXPLAINED = (*LEARNS_LITTLE, "input-squeezed", "input-not-scaled", "validation-prepared-differently", "overfits",
              "loss-diverges", "rate-too-high", "labels-partly-wrong", "validation-among-training",
              "augmentation-in-evaluation", "augmentation-breaks-label", "input-clipped")  # fmt: skip


def _is_fed(case: Case, stored: Stored) -> bool:
    """Whether examples of the network have the shape of those that are stored."""
    shapes = {f.inputs.shape[1:] for f in facts(case).learning[:12] if f.inputs is not None}
    return bool(stored.shape) and (stored.shape[1:] in shapes or stored.shape in shapes)


def _progressed(stored: Stored) -> bool:
    """Whether what is stored was changed, and is neither a store that was filled nor one for ever other data."""
    before, after = stored.before, stored.after
    if stored.permuted:
        return False  # the same examples were shuffled where they lie
    if bool((before == before[0]).all()) or not bool(before.isfinite().all()):
        return False
    changed = before != after
    if float(changed.double().mean()) < CHANGED:
        return False
    empty = before.mode().values
    if bool((before[changed] == empty).all()) and empty == 0:
        return False  # places that were empty were filled
    if not bool(after.isfinite().all()) or float(after.std()) == 0:
        return True
    together = float(torch.corrcoef(torch.stack([before, after]))[0, 1])
    return together > LIKE or abs(float(after.mean() - before.mean())) > float(before.std())


def _drifting(case: Case) -> Iterator[Finding]:
    """Mean and spread of the inputs from the first calls in training to the last."""
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
        explains=_EXPLAINED,
        plot=Plot("spread of the inputs", "call", "spread", {"training": [(n, i.spread) for n, i in enumerate(seen)]}),
    )


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


def _in_place(case: Case, *, exactly: bool = False) -> ast.AST | None:
    """Where data are changed in place in a function or a loop: `x /= 255`, `x.sub_(mean)`, `x = x / 255`.

    Args:
        case: What was watched.
        exactly: It is known to happen: what is added to a name, or put at some places, may be it as well.
    """
    tree = case.source.tree
    if exactly and (node := _written(case)) is not None:
        return node
    steps = {"loss", "total", "running", "correct", "count", "right", "i", "step", "n", "epoch", "lr", "beta"}
    for body in (*functions(tree).values(), *loops(tree)):
        for node in ast.walk(body):
            if isinstance(node, ast.AugAssign) and isinstance(node.op, (ast.Sub, ast.Div, ast.Mult, ast.Add)):
                name = spelled(node.target).split("[")[0].split(".")[-1]
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


def _written(case: Case) -> ast.AST | None:
    """The first change in place of what a method of a data set returns, or a network is given."""
    known = functions(case.source.tree)
    for body in sorted(known.values(), key=lambda each: each.name != "__getitem__"):
        fed = {
            inner.id
            for node in ast.walk(body)
            if isinstance(node, (ast.Call, ast.Return))
            for inner in ast.walk(node)
            if isinstance(inner, ast.Name)
        }
        for node in ast.walk(body):
            target: ast.AST | None = None
            if isinstance(node, ast.AugAssign):
                target = node.target
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
                target = node.targets[0]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _IN_PLACE:
                target = node.func.value
            while isinstance(target, (ast.Subscript, ast.Attribute)):
                target = target.value
            if isinstance(target, ast.Name) and (body.name == "__getitem__" or target.id in fed - _SUMS):
                return node
    return None


_SUMS = frozenset({"loss", "losses", "total", "running", "correct", "count", "right", "seen", "i", "step", "n", "epoch",
                   "self", "optimizer", "hits", "table", "score", "scores"})  # fmt: skip
"""Names of what is added up in a loop."""


def _counts(node: ast.AugAssign) -> bool:
    """Whether something is added up: a number of its own, or what a loop counts."""
    return isinstance(node.op, ast.Add) and not isinstance(node.target, ast.Subscript)
