"""Targets that were numbers, and were cut to whole ones on the way."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Measured
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import line_of, name_of, spelled
from chainrule.diagnosis.doctor.checks.data._facts import facts
from chainrule.diagnosis.doctor.findings import Fact, Finding

LEVELS = 24
"""Different whole numbers up to which targets were probably cut: counts and years have more."""
FRACTIONS = 0.5
"""Share of the true values in the metric that are no whole numbers, from which they were never whole."""
_CASTS = frozenset({"long", "int", "round", "floor", "trunc", "LongTensor", "IntTensor"})
_WORDS = ("y", "target", "label", "price", "value", "score", "rating")


@check("targets-cut-to-whole-numbers")
def cut_to_whole(case: Case) -> Iterator[Finding]:
    """Look for targets of a regression that are few whole numbers, where they cannot be."""
    known = facts(case)
    if case.task != "numbers" or known.train is None or known.train.targets is None:
        return
    targets = [b.targets for b in case.batches if b.targets is not None and b.targets.numel()]
    if not targets:
        return
    values = torch.cat([t.reshape(-1).double() for t in targets])
    if len(values) < 60 or not bool(values.isfinite().all()) or not bool((values == values.round()).all()):
        return
    different = len(values.unique())
    if different < 2 or different > LEVELS:
        return
    fractions = _true_fractions(case)
    cast = _cast(case)
    centered = float(values.min()) < 0 < float(values.max())
    cut = fractions > FRACTIONS or (centered and cast is not None)
    if not cut and cast is None:
        return
    criterion = next((b.criterion for b in case.batches if b.criterion is not None), None)
    place = case.place(case.batches[0].line(criterion.operation)) if criterion else known.place
    yield Finding(
        "targets-cut-to-whole-numbers",
        f"The targets are {different} whole numbers: what stood behind the point was cut off.",
        "fault" if cut else "note",
        0.94 if fractions > FRACTIONS else 0.85 if cut else 0.4,
        (
            Fact(
                "different targets in training", f"{different}, from {float(values.min()):g} to {float(values.max()):g}"
            ),
            *((Fact("true values of the metric that are no whole numbers", f"{fractions:.0%}"),) if fractions else ()),
            *((Fact("cast in the program", spelled(cast)[:80]),) if cast is not None else ()),
        ),
        change="keep the targets as floats: torch.tensor(y, dtype=torch.float32), without astype(int), long() or //",
        where=case.place(line_of(case, cast)) if cast is not None else place,
        explains=(*LEARNS_LITTLE, "prediction-not-scaled-back", "squared-error-on-classes", "overfits"),
    )


def _true_fractions(case: Case) -> float:
    """The share of true values of the validation that are no whole numbers: of a metric, or as answers are compared."""
    found: list[Tensor] = []
    for event in case.seen.events:
        if isinstance(event, Measured) and event.truth is not None and np.asarray(event.truth).dtype.kind == "f":
            found.append(torch.as_tensor(np.asarray(event.truth)).reshape(-1).double())
    valid = facts(case).valid
    if valid is not None and valid.targets is not None and valid.targets.is_floating_point():
        found.append(valid.targets.reshape(-1).double())
    if not found:
        return 0.0
    values = torch.cat(found)
    return float((values != values.round()).double().mean())


def _cast(case: Case) -> ast.AST | None:
    """Where targets are made whole numbers."""
    for node in ast.walk(case.source.tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            names = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            said = " ".join(spelled(name) for name in names).lower()
            if any(part == "y" or part.startswith(("y_", "target", "label")) or part in _WORDS
                   for part in said.replace("(", " ").replace(",", " ").replace(")", " ").split()):  # fmt: skip
                for inner in ast.walk(node.value):
                    if _whole(inner):
                        return inner
    return None


def _whole(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = name_of(node)
    said = " ".join(spelled(a) for a in (*node.args, *(k.value for k in node.keywords)))
    kinds = ("int", "long")
    if name in ("astype", "to", "type", "view", "array", "asarray"):
        last = spelled(node.args[-1]) if node.args else said
        typed = " ".join([last, *(spelled(k.value) for k in node.keywords if k.arg == "dtype")])
        return any(kind in typed.split(".")[-1] for kind in kinds) and len(typed) < 40
    if name in ("tensor", "as_tensor"):
        return any(k.arg == "dtype" and any(kind in spelled(k.value) for kind in kinds) for k in node.keywords)
    return name in _CASTS and isinstance(node.func, ast.Attribute) and not (name == "int" and node.args)
