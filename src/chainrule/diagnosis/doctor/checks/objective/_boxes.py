"""Boxes as four numbers, that are written in one notation and read in another."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.analysis._tape import Tape
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Line
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import functions, line_of, name_of, spelled
from chainrule.diagnosis.doctor.checks.data._facts import facts
from chainrule.diagnosis.doctor.checks.objective._answers import passes
from chainrule.diagnosis.doctor.checks.objective._comparisons import plain_name
from chainrule.diagnosis.doctor.findings import Fact, Finding

_CORNERS = frozenset({"box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou", "nms", "batched_nms",
                      "generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss"})  # fmt: skip
"""Functions of torchvision's that take left, top, right, bottom."""
_INTO = frozenset({"box_convert", "xywh2xyxy", "xywh_to_xyxy", "cxcywh2xyxy", "cxcywh_to_xyxy", "box_cxcywh_to_xyxy"})
"""Functions that go from one notation to the other."""
BOXES = 40
"""Boxes that are needed."""
INVERTED = 0.03
"""Share of boxes whose right or lower edge would lie before the left or upper one, from which they are no corners."""


@dataclass(frozen=True)
class Reading:
    """How the program takes boxes where they overlap.

    Args:
        corners: As two corners; else as a corner and a size.
        boxes: The four numbers (N, 4) that it takes so.
        where: Its line.
        seen: Whether that was seen in the numbers, and not only read in the text.
    """

    corners: bool
    boxes: Tensor
    where: str
    seen: bool


@check("boxes-in-two-notations")
def two_notations(case: Case) -> Iterator[Finding]:
    """Can the boxes that are compared be what their overlap takes them for: corners, or a corner and a size?"""
    seen = [*_overlaps(case)]
    read = next((each for each in seen if each is not None), None) if seen else _written(case)
    if read is None:
        return
    corners, boxes = read.corners, read.boxes.reshape(-1, 4).double()
    boxes = boxes[(boxes.abs().sum(1) > 0) & boxes.isfinite().all(1)]
    if len(boxes) < BOXES or float(boxes.min()) < -1e-3 * float(boxes.max()):
        return
    inverted = float((boxes[:, 2:] <= boxes[:, :2]).any(1).double().mean())
    if (corners and inverted < INVERTED) or (not corners and (inverted > 0 or _may_be_sizes(boxes))):
        return
    yield Finding(
        "boxes-in-two-notations",
        "Boxes are given as a corner and a size, and their overlap is computed as if they were two corners."
        if corners
        else "Boxes are given as two corners, and their overlap is computed as if they were a corner and a size.",
        "fault" if read.seen else "warning",
        0.6 if not read.seen else 0.95 if corners else 0.85,
        (
            Fact("read as", "two corners" if corners else "a corner and a size"),
            Fact("boxes whose second corner would lie before the first", f"{inverted:.0%} of {len(boxes)}"),
            Fact("means of the four numbers", ", ".join(f"{v:.3g}" for v in boxes.mean(0).tolist())),
        ),
        change="boxes[:, 2:] + boxes[:, :2] before comparing, or the same notation everywhere",
        where=read.where,
        explains=("underfits", "overfits"),
    )


def _overlaps(case: Case) -> Iterator[Reading | None]:
    """Where true boxes and predicted ones meet in a minimum, and what of the true ones does; None where it is neither
    their far edge as it stands nor the sum of near edge and size."""
    for passed in passes(case):
        for answer in passed[:2]:
            yield from _minima(answer.tape, answer.derived, answer.seen.lines, case)
    for batch in case.batches[:1]:
        yield from _minima(batch.tape, batch.learned, batch.event.lines, case)


def _minima(tape: Tape, learned: set[int], lines: Mapping[int, Line], case: Case) -> Iterator[Reading | None]:
    boxes = [
        value.tensor
        for value in tape.values
        if value.index not in learned and value.kind not in ("parameter", "buffer")
        and value.tensor.ndim >= 2 and value.tensor.shape[-1] == 4 and value.tensor.is_floating_point()
    ]  # fmt: skip
    for operation in tape.operations:
        mine = [i for i in operation.inputs if i in learned]
        data = [i for i in operation.inputs if i not in learned]
        if plain_name(operation) not in ("minimum", "min") or len(mine) != 1 or len(data) != 1:
            continue
        edge, where = tape.values[data[0]].tensor.squeeze(), case.place(lines.get(operation.index))
        for each in boxes:
            if (corners := _is_edge(edge, each)) is not None:
                yield Reading(corners, each, where, True)
                break
        else:
            yield None


def _is_edge(edge: Tensor, boxes: Tensor) -> bool | None:
    """Whether numbers are the far edge of boxes as it stands (True), or the sum of a near edge and a size (False)."""
    parts = [(boxes[..., :2], boxes[..., 2:]), (boxes[..., 0], boxes[..., 2]), (boxes[..., 1], boxes[..., 3])]
    for near, far in ((a.squeeze(), b.squeeze()) for a, b in parts):
        if edge.shape == far.shape and torch.equal(edge, far):
            return True
        if edge.shape == far.shape and torch.allclose(edge, near + far):
            return False
    return None


def _written(case: Case) -> Reading | None:
    """What the program's text says, of the targets of training."""
    train, read = facts(case).train, _reading(case)
    boxes = train.targets if train is not None else None
    if read is None or boxes is None or boxes.ndim < 2 or boxes.shape[-1] != 4 or not boxes.is_floating_point():
        return None
    return Reading(read[1], boxes, case.place(line_of(case, read[0])), False)


def _may_be_sizes(boxes: Tensor) -> bool:
    """Whether the last two numbers may be sizes: they do not grow with the first two, as right edges do with left."""
    for near, far in ((0, 2), (1, 3)):
        pair = boxes[:, [near, far]].T
        if float(pair.std(1).min()) == 0 or float(torch.corrcoef(pair)[0, 1]) < 0.3:
            return True
    return False


def _reading(case: Case) -> tuple[ast.AST, bool] | None:
    """Where boxes meet, and whether as corners (True) or as a corner and a size; None where that cannot be read."""
    tree = case.source.tree
    called = {name_of(n) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    if called & _INTO or any(_turns_into(n) for n in ast.walk(tree)):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node) in _CORNERS and name_of(node) not in functions(tree):
            return node, True
    for body in functions(tree).values():
        for node in ast.walk(body):
            if isinstance(node, ast.Call) and name_of(node) in ("minimum", "min") and len(node.args) == 2:
                kinds = [_edge(argument, body) for argument in node.args]
                if kinds[0] == kinds[1] and kinds[0] is not None and not _made_anew(node, body):
                    return node, kinds[0]
    return None


def _turns_into(node: ast.AST) -> bool:
    """Whether the far edge is computed for keeps: near edge and size, or half of it, are put beside the near edge."""
    if not isinstance(node, ast.Call) or name_of(node) not in ("cat", "concat", "concatenate", "stack", "hstack"):
        return False
    sums = [n for n in ast.walk(node) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Add)]
    return any({"near", "far"} <= {_selected(part) for part in ast.walk(each)} for each in sums)


def _made_anew(minimum: ast.Call, body: ast.AST) -> bool:
    """Whether a function gives its boxes other values before it compares them: those of another notation."""
    names = {n.id for n in ast.walk(minimum) if isinstance(n, ast.Name)}
    given = {a.arg for n in ast.walk(body) if isinstance(n, ast.arguments) for a in n.args}
    made = {n.id for n in ast.walk(body) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return bool(names & given & made)


def _edge(node: ast.AST, body: ast.AST) -> bool | None:
    """Whether an expression is a far edge as it is written down (True), or a near one and a size (False)."""
    parts = _selected(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = {_selected(node.left), _selected(node.right)}
        return False if sides == {"near", "far"} else None
    if parts == "far":
        return True
    if isinstance(node, ast.Name):  # left, top, right, bottom = box: named after what they are read as
        made = [n for n in ast.walk(body) if isinstance(n, ast.Assign) and spelled(n.targets[0]) == node.id]
        return _edge(made[0].value, body) if len(made) == 1 and not isinstance(made[0].value, ast.Name) else None
    return None


def _selected(node: ast.AST) -> str:
    """Which of the four numbers a subscript takes: "near" ones (0, 1), or "far" ones (2, 3)."""
    if not isinstance(node, ast.Subscript):
        return ""
    last = node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
    text = spelled(last).replace(" ", "")
    if text in ("2:", "2", "3", "2:4"):
        return "far"
    return "near" if text in (":2", "0", "1", "0:2") else ""
