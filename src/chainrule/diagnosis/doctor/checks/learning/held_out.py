"""Steps on what was held out: a loop over validation batches that learns like the one over training batches."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Moved
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import spelled
from chainrule.diagnosis.doctor.findings import Fact, Finding

HELD_OUT = re.compile(r"(^|[^a-z])(valid|val|test|dev|eval|held_?out)", re.I)
"""Names of what is held out."""
TRAIN = re.compile(r"train|adapt|fit", re.I)
"""Names that say that it is learned from."""


@check("learns-from-validation")
def learns_from_validation(case: Case) -> Iterator[Finding]:
    """Backward passes and steps that stand in a loop over what is held out, beside others that do not."""
    lines = {each.line[1] for each in case.seen.of(Backward) if each.line and case.source.code(each.line)}
    moves = {each.line[1] for each in case.seen.of(Moved) if each.line and case.source.code(each.line)}
    for loop in (node for node in ast.walk(case.source.tree) if isinstance(node, ast.For)):
        over, inside = spelled(loop.iter), range(loop.lineno, (loop.end_lineno or loop.lineno) + 1)
        taught, stepped = lines.intersection(inside), moves.intersection(inside)
        if not HELD_OUT.search(over) or TRAIN.search(over) or not taught or not stepped or lines <= set(inside):
            continue
        count = sum(b.line is not None and b.line[1] in taught for b in case.seen.of(Backward))
        yield Finding(
            "learns-from-validation",
            f"Steps are taken on what is held out: the loop over `{over}` goes backward and moves the weights.",
            "fault",
            0.94,
            (
                Fact("backward passes in this loop", f"{count} of {len(case.losses)} (usual: none)"),
                Fact("what it is over", over),
            ),
            "No `backward` and no `step` in this loop; `model.eval()` and `with torch.no_grad():` around it.",
            case.place((str(case.source.path), min(taught))),
            explains=("evaluated-in-training-mode", "validation-among-training"),
        )
        return
