"""Masks of classes that were resized or turned by interpolation: classes between two others along every edge."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import Function, calls, functions, line_of, name_of, spelled
from chainrule.diagnosis.doctor.checks.data._facts import Fed, facts
from chainrule.diagnosis.doctor.checks.data._whole import held_out
from chainrule.diagnosis.doctor.findings import Fact, Finding

TIMES = 4.0
"""How many times more places lie between two classes in training than in validation, from which they were made up."""
LEAST = 0.01
"""Share of the edges that must be such places."""
_BLENDS = {"grid_sample": "bilinear", "resize": "bilinear", "Resize": "bilinear", "rotate": "nearest",
           "interpolate": "nearest", "warpAffine": "bilinear", "zoom": "bilinear", "affine": "nearest",
           "resized_crop": "bilinear", "RandomResizedCrop": "bilinear", "warp_affine": "bilinear",
           "warp_perspective": "bilinear"}  # fmt: skip
"""Functions that resize or turn, and how they do it when nothing is said."""
_LABELS = re.compile(
    r"(^|_)(masks?|segs?|segmentations?|segmap|labels?|targets?|truths?|annotations?|annots?|gt)(?=_|\d|$)"
)
"""Words in names of masks."""
_GIVEN = re.compile(r"(^|_)(logits?|scores?|preds?|predicted|predictions?|outputs?|probs?)(?=_|\d|$)")
"""Words in names of what a network gives."""
MOST = 64
"""Values that masks of classes have at most."""


@check("mask-blended")
def mask_blended(case: Case) -> Iterator[Finding]:
    """Count places whose class lies between those on both sides; and read how masks are resized."""
    known = facts(case)
    train = _dense(known.train)
    if train is None:
        return
    valid, node = _dense(held_out(case)), _blending(case)
    if not _of_classes(train if valid is None else valid):
        return
    mine, edges = _between(train)
    theirs = _between(valid)[0] if valid is not None else None
    more = theirs is not None and mine > max(TIMES * theirs, theirs + LEAST) and mine > LEAST
    strange = _strange(train, valid)
    if valid is not None and not more and not strange:
        return
    if not more and (node is None or (strange == 0 and (len(train.unique()) < 3 or mine < LEAST))):
        return
    yield Finding(
        "mask-blended",
        "Masks of classes are resized or turned by interpolation, which makes up classes between two others.",
        "fault" if more or strange else "warning",
        (0.95 if node is not None else 0.85) if more or strange else 0.6,
        (
            Fact("places at edges whose class lies between both sides, in training", f"{mine:.1%} of {edges:,}"),
            *((Fact("in validation", f"{theirs:.1%}"),) if theirs is not None else ()),
            *((Fact("values in training masks that no validation mask has", f"{strange}"),) if strange else ()),
        ),
        change='mode="nearest" for masks, bilinear for pictures only',
        where=case.place(line_of(case, node)) if node is not None else known.place,
        explains=("underfits", "labels-partly-wrong", "overfits", "class-missing", "labels-out-of-range"),
    )


def _of_classes(maps: Tensor) -> bool:
    """Whether maps hold classes, and no amounts: few values, whole ones."""
    kinds = maps.unique()
    return len(kinds) <= MOST and bool((kinds == kinds.round()).all())


def _dense(fed: Fed | None) -> Tensor | None:
    """Maps of classes (N, H, W)."""
    if fed is None or fed.targets is None or fed.inputs.ndim != 4 or fed.targets.ndim not in (3, 4):
        return None
    size = tuple(fed.inputs.shape[-2:])
    targets = fed.targets[:600]
    if tuple(targets.shape[-2:]) != size or targets.numel() != len(targets) * size[0] * size[1] or min(size) < 8:
        return None
    maps = targets.reshape(-1, *size).double()
    return maps if len(maps) >= 20 and bool(maps.isfinite().all()) and len(maps.unique()) >= 2 else None


def _between(maps: Tensor) -> tuple[float, int]:
    """Share of the places between two different neighbors whose class lies between theirs, and their number."""
    count = between = 0
    for axis in (1, 2):
        size = maps.shape[axis] - 2
        low, here, high = (maps.narrow(axis, start, size) for start in (0, 1, 2))
        edge = low != high
        inside = edge & (torch.minimum(low, high) < here) & (here < torch.maximum(low, high))
        count, between = count + int(edge.sum()), between + int(inside.sum())
    return between / max(1, count), count


def _strange(train: Tensor, valid: Tensor | None) -> int:
    """How many values the masks of training have that those of the validation have not, where these are few."""
    if valid is None:
        return 0
    mine, theirs = train.unique(), valid.unique()
    return int((~torch.isin(mine, theirs)).sum()) if len(mine) > 2 * len(theirs) else 0


def _blending(case: Case) -> ast.AST | None:
    """Where something that is called a mask is resized or turned, and not by its nearest neighbor."""
    known = functions(case.source.tree)
    inside = {id(call) for body in known.values() if body.name == "forward" for call in calls(body)}
    for node in calls(case.source.tree):
        given = [*node.args[:1], *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
        parts = [part for each in given for part in ast.walk(each) if isinstance(part, (ast.Name, ast.Attribute))]
        names = [name_of(part).lower() for part in parts]
        if id(node) in inside or not any(map(_LABELS.search, names)) or any(map(_GIVEN.search, names)):
            continue
        name, written = name_of(node), spelled(node).lower()
        if "nearest" in written or "interpolation=0" in written or "order=0" in written:
            continue
        if name in known and name not in _BLENDS:
            if _blends(known[name]):
                return node
        elif _BLENDS.get(name) == "bilinear" or (name in _BLENDS and any(
            word in written for word in ("bilinear", "bicubic", "linear", "lanczos", "area"))):  # fmt: skip
            return node
    return None


def _blends(body: Function) -> bool:
    """Whether a function of the program resizes by interpolation when nothing is said."""
    inside = [n for n in ast.walk(body) if isinstance(n, ast.Call) and name_of(n) in _BLENDS]
    text = spelled(body).lower()
    return bool(inside) and "nearest" not in text and (
        "linear" in text or "cubic" in text or any(_BLENDS[name_of(n)] == "bilinear" for n in inside)
    )  # fmt: skip
