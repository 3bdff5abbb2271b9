"""Pictures that were mirrored or turned, and masks or boxes that were not turned along."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import line_of, name_of
from chainrule.diagnosis.doctor.checks.data._facts import Fed, facts
from chainrule.diagnosis.doctor.checks.data._whole import held_out
from chainrule.diagnosis.doctor.findings import Fact, Finding

TWICE = 1.6
"""How many times better a turned mask or box must fit its picture than the given one."""
CLEARLY = 0.4
"""How well it must fit, over how well those of the validation (or half of those of training) do."""
SHARE, LEFT = 0.12, 0.04
"""Share of the training examples whose turned target fits far better, and what there may be in the validation."""
EXAMPLES, MOST = 40, 600
"""Examples that are needed, and that are looked at."""
_TURNING = frozenset({"flip", "hflip", "vflip", "fliplr", "flipud", "rot90", "rotate", "RandomHorizontalFlip",
                      "RandomVerticalFlip", "RandomRotation", "RandomAffine", "transpose"})  # fmt: skip

Turn = Callable[[Tensor], Tensor]
TURNS: dict[str, Turn] = {
    "mirrored": lambda m: m.flip(-1),
    "upside down": lambda m: m.flip(-2),
    "turned by half": lambda m: m.flip(-1).flip(-2),
    "turned by a quarter": lambda m: torch.rot90(m, 1, (-2, -1)),
    "turned by a quarter back": lambda m: torch.rot90(m, -1, (-2, -1)),
}
"""What may have been done to pictures."""


@check("target-not-turned-along")
def not_turned_along(case: Case) -> Iterator[Finding]:
    """Lay each mask or box over its picture, as it is and turned: which one fits what is seen there?"""
    known = facts(case)
    train, valid = known.train, held_out(case)
    if train is None or train.inputs.ndim not in (3, 4) or not train.inputs.is_floating_point():
        return
    maps = _maps(train)
    if maps is None or len(train.inputs) < EXAMPLES:
        return
    kind, inside = maps
    fits = _fits(train, inside)
    elsewhere = None
    if valid is not None and len(valid.inputs) >= EXAMPLES // 2 and (other := _maps(valid, like=kind)) is not None:
        elsewhere = _fits(valid, other[1])
    usual = float((fits if elsewhere is None else elsewhere)[0].median())
    better, how = _better(fits, usual)
    allowed = 0.0 if elsewhere is None else _better(elsewhere, usual)[0]
    if better < SHARE or allowed > min(LEFT, better / 4) or usual < 0.1:
        return
    node = _turned_in(case)
    if elsewhere is None and node is None:
        return
    what = "box" if kind.startswith("box") else "mask"
    yield Finding(
        "target-not-turned-along",
        f"Pictures are {how} at random, and their {'boxes' if what == 'box' else 'masks'} are not turned along.",
        "fault",
        0.96 if elsewhere is not None else 0.85,
        (
            Fact(f"training examples whose {what} fits far better when it is turned", f"{better:.0%}"),
            *((Fact("the same in validation", f"{allowed:.0%}"),) if elsewhere is not None else ()),
            Fact("how it must be turned, in most of them", how),
        ),
        change=f"draw the turn once and apply it to the picture and to its {what}",
        where=case.place(line_of(case, node)) if node is not None else known.place,
        explains=(*LEARNS_LITTLE, "labels-partly-wrong", "overfits", "labels-unrelated", "augmentation-breaks-label",
                  "validation-prepared-differently", "dropout-too-strong", "dead-units", "mask-blended"),
    )  # fmt: skip


def _maps(fed: Fed, like: str = "") -> tuple[str, Tensor] | None:
    """For each example a map (N, H, W) of classes, or of what is in its box; None where targets are neither."""
    targets = fed.targets
    if targets is None or not fed.paired or fed.inputs.ndim not in (3, 4):
        return None
    size = tuple(fed.inputs.shape[-2:])
    if min(size) < 8:
        return None
    if (
        targets.ndim in (3, 4)
        and tuple(targets.shape[-2:]) == size
        and targets.numel() == len(targets) * size[0] * size[1]
    ):
        whole = targets[:MOST].reshape(-1, *size)
        return ("mask", whole) if 2 <= len(whole.unique()) <= 64 else None
    if targets.ndim == 2 and targets.shape[1] == 4 and targets.is_floating_point():
        return _box_maps(fed, size, like)
    return None


def _box_maps(fed: Fed, size: tuple[int, ...], like: str) -> tuple[str, Tensor] | None:
    """What is in each box, in the notation in which boxes fit their pictures best."""
    assert fed.targets is not None
    boxes = fed.targets[:MOST].double()
    scale = torch.tensor([size[1], size[0]] * 2) if float(boxes.max()) <= 1.5 else torch.ones(4)
    boxes = boxes * scale
    rows, columns = (torch.arange(n).double() + 0.5 for n in size)
    found: list[tuple[float, str, Tensor]] = []
    for name in ("box of corners", "box of corner and size", "box of center and size"):
        if like and name != like:
            continue
        near, far = boxes[:, :2], boxes[:, 2:]
        if "size" in name:
            near = near - far / 2 if "center" in name else near
            far = near + far
        in_rows = (rows >= near[:, 1:]) & (rows <= far[:, 1:])
        in_columns = (columns >= near[:, :1]) & (columns <= far[:, :1])
        inside = (in_rows[:, :, None] & in_columns[:, None, :]).long()
        found.append((float(_fit(_picture(fed), inside).mean()), name, inside))
    best = max(found, key=lambda each: each[0], default=None)
    return None if best is None else (best[1], best[2])


def _picture(fed: Fed) -> Tensor:
    """Pictures with one channel or several, (N, C, H, W)."""
    inputs = fed.inputs[:MOST].double()
    return inputs[:, None] if inputs.ndim == 3 else inputs


def _fit(pictures: Tensor, maps: Tensor) -> Tensor:
    """The share of each picture's variance that lies between the parts of its map, (N,)."""
    flat, parts = pictures.flatten(2), maps.flatten(1)
    flat = flat - flat.mean(2, keepdim=True)
    total = flat.square().sum((1, 2)).clamp_min(1e-12)
    between = torch.zeros(len(flat), dtype=torch.double)
    for kind in parts.unique():
        chosen = (parts == kind).double()
        count = chosen.sum(1).clamp_min(1)
        between += ((flat * chosen[:, None]).sum(2).square() / count[:, None]).sum(1)
    return between / total


def _fits(fed: Fed, maps: Tensor) -> Tensor:
    """How well each map fits as it is, and turned in each way, (1 + ways, N)."""
    pictures = _picture(fed)
    square = maps.shape[-1] == maps.shape[-2]
    ways = [turn for how, turn in TURNS.items() if square or "quarter" not in how]
    return torch.stack([_fit(pictures, maps), *(_fit(pictures, turn(maps)) for turn in ways)])


def _better(fits: Tensor, usual: float) -> tuple[float, str]:
    """Share of the examples whose map fits far better turned, and in which way mostly."""
    best, way = fits[1:].max(0)
    chosen = (best > TWICE * fits[0]) & (best > CLEARLY * usual)
    if not bool(chosen.any()):
        return 0.0, ""
    return float(chosen.double().mean()), [*TURNS][int(way[chosen].mode().values)]


def _turned_in(case: Case) -> ast.AST | None:
    """Where pictures are turned in the program."""
    return next((n for n in ast.walk(case.source.tree) if isinstance(n, ast.Call) and name_of(n) in _TURNING), None)
