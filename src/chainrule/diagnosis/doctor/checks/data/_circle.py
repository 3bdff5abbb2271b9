"""Targets that close to a circle, learned as numbers: an angle, a time of day, a hue."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import name_of, spelled
from chainrule.diagnosis.doctor.checks.data._facts import columns, facts
from chainrule.diagnosis.doctor.checks.data._fit import standardized
from chainrule.diagnosis.doctor.checks.data._whole import whole
from chainrule.diagnosis.doctor.findings import Fact, Finding

END = 0.06
"""Part of the range at either end that is looked at."""
MET = 1.2
"""How many times more often neighbors of examples at one end must be at the other than by chance."""
AS_OFTEN = 0.2
"""How often they are there, over how often at their own end; on a circle as often, on a line hardly ever."""
BETWEEN = 0.5
"""How often neighbors may be in the middle half, over chance: of mere noise they are there as often."""
FULL = 0.3
"""How full both ends of the range must be, over its mean: a circle goes on there, a distribution thins out."""
_ROUND = re.compile(
    r"angle|degree|deg2rad|radian|direction|heading|azimuth|hour|hue(?![a-z])|orient|phase|% *360|pi\b|month|weekday"
    r"|arctan|atan2",
    re.IGNORECASE,
)
"""Words in names and computations of such targets."""
EXAMPLES, MOST = 300, 2500
"""Examples that are needed, and that are looked at."""
NEAR = 6
"""Neighbors of each example."""


@check("circle-cut-open")
def circle_cut_open(case: Case) -> Iterator[Finding]:
    """Look for the neighbors of examples whose targets are at one end of the range: are they at the other?"""
    pairs = _pairs(case)
    if pairs is None:
        return
    inputs, target = pairs
    place = (target - target.min()) / (target.max() - target.min()).clamp_min(1e-12)
    ends = [place < END, place > 1 - END]
    counts = [int(end.sum()) for end in ends]
    if min(counts) < max(10, FULL * END * len(place)) or not _full(place):
        return
    features = standardized(inputs).float()
    near = torch.cdist(features, features).fill_diagonal_(torch.inf).topk(NEAR, largest=False).indices
    other, own, between = [], [], []
    middle = (place > 0.25) & (place < 0.75)
    for here, there in (ends, ends[::-1]):
        other.append(_beside(near, here, there))
        own.append(_beside(near, here, here))
        between.append(_beside(near, here, middle))
    if min(other) < MET or min(o / max(m, 1e-9) for o, m in zip(other, own)) < AS_OFTEN or max(between) > BETWEEN:
        return
    if _folded(near, place):
        return
    criterion, spoken = case.batches[0].criterion, _ROUND.search(_told_of_target(case)) is not None
    yield Finding(
        "circle-cut-open",
        "The target closes to a circle (an angle, a time of day) and is learned as a number: its two ends, which are "
        "next to each other, are as far apart as can be.",
        "fault" if spoken else "warning",
        0.94 if spoken else 0.75,
        (
            Fact("neighbors of examples at one end of the range that are at the other", f"{min(other):.1f} times as "
                 "many as by chance (on a line: fewer)"),
            Fact("at their own end", f"{min(own):.1f} times"),
            Fact("in the middle half", f"{max(between):.1f} times"),
        ),
        change="two outputs, sine and cosine of the angle; atan2 of them gives it back",
        where=case.place(case.batches[0].line(criterion.operation)) if criterion is not None else "",
        explains=(*LEARNS_LITTLE, "target-not-scaled", "output-cannot-reach-target", "overfits",
                  "prediction-not-scaled-back"),
    )  # fmt: skip


def _beside(near: Tensor, here: Tensor, there: Tensor) -> float:
    """How often neighbors of examples here are there, over chance."""
    return float(there[near[here]].double().mean()) / max(float(there.double().mean()), 1e-9)


def _folded(near: Tensor, place: Tensor) -> bool:
    """Whether neighbors of examples at one quarter of the range are at the other as well: the inputs tell the size of
    the target, and not its sign, and no circle closes."""
    quarters = [(place - quarter).abs() < END for quarter in (0.25, 0.75)]
    if not all(bool(quarter.any()) for quarter in quarters):
        return True
    return any(
        _beside(near, here, there) > AS_OFTEN * _beside(near, here, here) for here, there in (quarters, quarters[::-1])
    )


def _told_of_target(case: Case) -> str:
    """What the program says of its target: the names beside the prediction in the loss, and what they are made of."""
    batch, tree = case.batches[0], case.source.tree
    line = batch.line(batch.criterion.operation) if batch.criterion is not None else None
    if line is None or case.source.path is None:
        return ""
    statements = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and n.lineno == line[1]]
    names = {name for each in statements if not hasattr(each, "body") for name in _beside_calls(each)}
    for _ in range(2):  # y = torch.tensor(angles), angles = atan2(...)
        made = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and names & _names(*n.targets)]
        names |= {name for node in made for name in _names(node.value)}
    return " ".join([*names, *(spelled(node) for node in made)])


def _names(*nodes: ast.AST) -> set[str]:
    return {name_of(n) for node in nodes for n in ast.walk(node) if isinstance(n, (ast.Name, ast.Attribute))}


def _beside_calls(statement: ast.stmt) -> set[str]:
    """The names in a statement but those that a call inside another one is given: the inputs of a network."""
    outer = [n for n in ast.walk(statement) if isinstance(n, ast.Call)]
    inner = {id(n) for call in outer for arg in call.args for c in ast.walk(arg) if isinstance(c, ast.Call)
             for n in ast.walk(c)}  # fmt: skip
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and id(n) not in inner}


def _pairs(case: Case) -> tuple[Tensor, Tensor] | None:
    """Tables and one number for each example that is learned by its difference."""
    known, every = facts(case), whole(case)
    criteria = [b.criterion for b in case.batches[:2]]
    differences = ("squared error", "absolute error")
    if not criteria or any(
        c is None or (c.kind not in differences and c.operation.function not in ("-", "sub")) for c in criteria
    ):
        return None
    if every is not None:
        inputs, targets = every.inputs, every.targets
    elif known.train is not None and known.train.targets is not None and known.train.paired:
        inputs, targets = known.train.inputs, known.train.targets
    else:
        return None
    flat = targets.reshape(len(targets), -1)
    if flat.shape[1] != 1 or not targets.is_floating_point() or not inputs.is_floating_point() or inputs.ndim < 2:
        return None
    table = columns(inputs)[:MOST].double()
    if len(table) < EXAMPLES or table.shape[1] > 1024 or not bool(table.isfinite().all() & flat.isfinite().all()):
        return None
    return table, flat[:MOST, 0].double()


def _full(place: Tensor) -> bool:
    """Whether the range is full up to both ends, and the values are many."""
    edges = [float(((place < END / 3).double()).mean()), float((place > 1 - END / 3).double().mean())]
    return min(edges) > FULL * END / 3 and len(place.unique()) >= 12
