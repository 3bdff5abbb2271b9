"""Inputs and labels that are kept apart and lie in different orders."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import line_of, name_of
from chainrule.diagnosis.doctor.checks.data._facts import Fed, class_targets, columns, facts
from chainrule.diagnosis.doctor.checks.data._unrelated import agreement, linear, neighbours
from chainrule.diagnosis.doctor.checks.data._whole import whole
from chainrule.diagnosis.doctor.findings import Fact, Finding

FITS, BARELY = 15.0, 6.0
"""Standard deviations above shuffled labels from which labels belong to the inputs, and below which they may not."""
TIMES = 4.0
"""How many times better they must fit in another order."""
EXAMPLES, MOST = 200, 1000
"""Examples that are needed, and that are looked at."""


@check("labels-unrelated", experiment=True)
def another_order(case: Case) -> Iterator[Finding]:
    """Do inputs tell nothing of the labels as they stand, and very much of them in another order?"""
    every = whole(case)
    if every is None or case.task == "own" or len(every.inputs) < EXAMPLES:
        return
    wanted = _wanted(every.inputs, every.targets)
    if wanted is None:
        return
    count = len(every.inputs)
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:MOST]
    table = columns(every.inputs[chosen])[:, :1024]
    spread = table.std(0)
    features = ((table - table.mean(0)) / torch.where(spread > 1e-9, spread, 1.0)).nan_to_num().clamp(-8, 8)
    fits = [neighbours(features), linear(features)]
    given = _told(fits, wanted[chosen])
    if given > BARELY:
        return
    tried = {how: _told(fits[:1], wanted[order[chosen]]) for how, order in _orders(count).items()}
    how, best = max(tried.items(), key=lambda pair: pair[1])
    if best < max(FITS, TIMES * given):
        return
    node = _files(case)
    yield Finding(
        "labels-unrelated",
        f"Inputs and labels lie in different orders: {how}.",
        "fault",
        0.97,
        (
            Fact(
                "what inputs tell of the labels beside them", f"{given:+.1f} standard deviations from shuffled labels"
            ),
            Fact(f"of the labels when {how}", f"{best:+.1f}"),
        ),
        change="keep name and label in one table, or sort both by the same key: key=lambda path: int(...)",
        where=case.place(line_of(case, node)) if node is not None else facts(case).place,
        explains=(*LEARNS_LITTLE, "overfits", "labels-partly-wrong"),
    )


def _wanted(inputs: Tensor, targets: Tensor) -> Tensor | None:
    """Targets as numbers (N, K) of mean zero."""
    if not inputs.is_floating_point() or not bool(inputs[:MOST].isfinite().all()):
        return None
    labels = class_targets(Fed(inputs, targets))
    if labels is not None:
        if int(labels.min()) < 0 or not 2 <= len(labels.unique()) <= min(200, len(labels) // 4):
            return None
        wanted = torch.nn.functional.one_hot(labels).double()
    elif targets.is_floating_point() and targets[0].numel() <= 64 and bool(targets.isfinite().all()):
        wanted = targets.reshape(len(targets), -1).double()
    else:
        return None
    return wanted - wanted.mean(0)


def _told(fits: list[Tensor], wanted: Tensor) -> float:
    """How much more inputs tell of these targets than of shuffled ones, in standard deviations."""
    generator = torch.Generator().manual_seed(0)
    best = -torch.inf
    for fit in fits:
        draws = torch.tensor(
            [agreement(fit, wanted[torch.randperm(len(wanted), generator=generator)]) for _ in range(12)]
        )
        best = max(best, (agreement(fit, wanted) - float(draws.mean())) / max(float(draws.std()), 1e-9))
    return best


def _orders(count: int) -> dict[str, Tensor]:
    """Orders that labels may have been put in by mistake: for each input the place of its label."""
    found: dict[str, Tensor] = {}
    for start in (0, 1):
        text = torch.tensor(sorted(range(count), key=lambda i: str(i + start)))
        numbered = "" if start == 0 else " (numbered from 1)"
        found[f"inputs are taken as sorted as text, 10 before 2{numbered}, and labels as sorted by number"] = text
        found[f"labels are taken as sorted as text, 10 before 2{numbered}, and inputs as sorted by number"] = (
            text.argsort()
        )
    place = torch.arange(count)
    for step in (1, -1, 2, -2):
        found[f"labels are moved by {step:+d}"] = (place + step) % count
    found["labels are taken in reverse"] = place.flip(0)
    return found


def _files(case: Case) -> ast.AST | None:
    """Where files are listed, sorted as text or in no order at all."""
    for node in ast.walk(case.source.tree):
        if isinstance(node, ast.Call) and name_of(node) == "sorted" and not any(k.arg == "key" for k in node.keywords):
            return node
    listing = ("listdir", "glob", "iglob", "iterdir", "scandir", "rglob", "walk")
    return next((n for n in ast.walk(case.source.tree) if isinstance(n, ast.Call) and name_of(n) in listing), None)
