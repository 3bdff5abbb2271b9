"""Unsigned bytes that wrapped around: 0 - 100 is 156."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import line_of, name_of, spelled
from chainrule.diagnosis.doctor.checks.data._facts import facts
from chainrule.diagnosis.doctor.findings import Fact, Finding

_FLOATS = ("float", "double", "/", "astype", "to_tensor", "ToTensor", "half")
SMOOTHER = 0.9
"""Mean difference of neighbours with the wrap undone over that with it, below which the wrap tore pictures apart."""

BELOW = 0.05
"""Share of the values that must lie below zero once the wrap is undone."""


@check("bytes-wrap-around")
def bytes_wrap(case: Case) -> Iterator[Finding]:
    """Look for arithmetic on bytes in the program, and for inputs that fill the range of bytes where it cannot be."""
    known = facts(case)
    train = known.train
    if train is None or not train.inputs.is_floating_point() or train.inputs.ndim < 2 or len(train.inputs) < 16:
        return
    if "uint8" not in case.source.text and "Image" not in case.source.text and "read_image" not in case.source.text:
        return
    levels = levels_of(train.inputs)
    if levels is None:
        return
    for node, offset in _moved(case):
        undone = _unwrapped(levels, offset)
        before, after = _roughness(levels, train.inputs.shape), _roughness(undone, train.inputs.shape)
        if float((undone < 0).double().mean()) < BELOW:
            continue  # nothing was below: nothing wrapped
        yield Finding(
            "bytes-wrap-around",
            f"Bytes wrapped around: `{spelled(node)[:60]}` is computed in unsigned bytes, which have no sign.",
            "fault",
            0.95 if after < SMOOTHER * before else 0.9,
            (
                Fact("range of the inputs, in steps of one level", f"{int(levels.min())} to {int(levels.max())}"),
                Fact("values that lie below zero once it is undone", f"{float((undone < 0).double().mean()):.0%}"),
                Fact("difference of neighbours, undone over given", f"{after / max(before, 1e-9):.2f}"),
            ),
            change="convert to float first, then subtract or multiply: x.astype(np.float32) - mean",
            where=case.place(line_of(case, node)),
            explains=(*LEARNS_LITTLE, "input-not-scaled", "rate-too-high", "saturated-units", "input-squeezed",
                      "input-clipped", "dead-units", "constant-columns"),
        )  # fmt: skip
        return


def levels_of(inputs: Tensor) -> Tensor | None:
    """Inputs as steps of their smallest difference from zero on; None where they are not 200 to 256 levels from 0."""
    values = inputs.detach().float()
    different = values.unique()
    if not 64 <= len(different) <= 256 or float(different[0]) != 0:
        return None
    step = float(different.diff().min())
    found = (values / step).round()
    if float((found * step - values).abs().max()) > 0.05 * step or not 200 <= float(found.max()) <= 255:
        return None
    return found


def _moved(case: Case) -> Iterator[tuple[ast.AST, int]]:
    """Where a whole number is taken from something that nobody made a float before."""
    floats = _floats(case)
    places = {
        id(inner)
        for node in ast.walk(case.source.tree)
        if isinstance(node, ast.Subscript)
        for inner in ast.walk(node.slice)
    }
    for node in ast.walk(case.source.tree):
        if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Sub) and id(node) not in places:
            left, right = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
            if not isinstance(right, ast.Constant) or not isinstance(right.value, int) or not 8 <= right.value <= 250:
                continue
            if not isinstance(left, (ast.Name, ast.Subscript, ast.Attribute, ast.Call)):
                continue
            text = spelled(left)
            if any(word in text for word in _FLOATS) or text.split("[")[0] in floats or name_of(left) in ("len", "ord"):
                continue
            yield node, right.value


def _floats(case: Case) -> set[str]:
    """Names that are assigned floats somewhere."""
    return {
        target.id
        for node in ast.walk(case.source.tree)
        if isinstance(node, ast.Assign) and any(word in spelled(node.value) for word in ("float", "/ "))
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _unwrapped(levels: Tensor, offset: int) -> Tensor:
    """What the levels would be without the wrap: bytes, less the offset."""
    return (levels + offset) % 256 - offset


def _roughness(levels: Tensor, shape: torch.Size) -> float:
    values = levels
    if len(shape) == 2:
        side = int(shape[1] ** 0.5)
        if side * side != shape[1]:
            return 1.0
        values = levels.reshape(-1, side, side)
    return float(values.diff(dim=-1).abs().mean())
