"""Steps on what is held out: examples that no other step has seen, in evaluation mode or a loop that is called so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Forward, Line, Moved, is_network
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import spelled
from chainrule.diagnosis.doctor.findings import Fact, Finding

FEWEST = 16
"""Different examples from which on they are a part of the data."""
APART = 0.02
"""Share of one part's examples that may be among the other's: equal ones are found in most data."""
SHARE = (0.02, 0.7)
"""Share of the steps that such a phase has: a validation is no more than the training."""
HELD_OUT = re.compile(r"(^|[^a-z])(valid(ation)?|val|test|dev|eval(uation)?|held_?out)(s|set)?([^a-z]|$)", re.I)
"""Names of what is held out."""
TRAIN = re.compile(r"train|adapt|fit", re.I)
"""Names that say that it is learned from."""


@dataclass(frozen=True)
class Step:
    """A step with what it was taken on.

    Args:
        forward: The last call of a network before its backward pass.
        backward: Where the gradients were computed.
        moved: Where the step was taken.
    """

    forward: Forward
    backward: Line | None
    moved: Line | None


@check("learns-from-validation")
def learns_from_validation(case: Case) -> Iterator[Finding]:
    """Steps in evaluation mode, or in a loop over what is called so, on examples that no other step has seen."""
    steps = _steps(case)
    loop = _loop(case, steps)
    named = [s for s in steps if loop and s.backward and loop.lineno <= s.backward[1] <= (loop.end_lineno or 0)]
    for wrong in ([s for s in steps if not s.forward.training], named):
        own = set(map(id, wrong))
        others = [s for s in steps if id(s) not in own]
        held = _only_met(wrong, others) if wrong and others else None
        part = len(wrong) / max(1, len(steps))
        if not held or not SHARE[0] < part < SHARE[1]:
            continue
        different, times = held
        over = loop if own & set(map(id, named)) else None
        if times < 1.5 and over is None:
            continue
        yield Finding(
            "learns-from-validation",
            f"Steps are taken on what is held out: the loop over `{spelled(over.iter)}` moves the weights."
            if over
            else "Steps are taken in the validation phase as well: what is validated is learned from.",
            "fault",
            0.95,
            (
                Fact("steps that are taken there", f"{part:.0%} of all (usual: none)"),
                Fact("different examples that are only met there", f"{different}"),
                Fact("how often each was learned from", f"{times:.3g} times"),
            ),
            "No `backward` and no `step` in this loop; `model.eval()` and `with torch.no_grad():` around it."
            if over
            else 'Go backward and step only `if phase == "train":`, the rest under `torch.no_grad()`.',
            case.place(wrong[0].moved or wrong[0].forward.line),
            explains=(
                "trained-in-evaluation-mode",
                "validation-among-training",
                "metric-on-training-data",
                "modules-in-another-mode",
                "evaluated-in-training-mode",
                "gradients-in-evaluation",
            ),
        )
        return


def _steps(case: Case) -> list[Step]:
    """The steps, each with the call and the backward pass before it."""
    found: list[Step] = []
    last: Forward | None = None
    backward: Backward | None = None
    for event in case.seen.events:
        if isinstance(event, Forward) and event.grad and is_network(event.module):
            last = event
        elif isinstance(event, Backward):
            backward = event
        elif isinstance(event, Moved) and last is not None and backward is not None:
            found.append(Step(last, backward.line, event.line))
            last = backward = None
    return found


def _only_met(wrong: list[Step], others: list[Step]) -> tuple[int, float] | None:
    """How many examples only these steps were taken on, and how often each; None where others share them."""
    rows = [[s.forward.rows for s in steps if s.forward.rows is not None] for steps in (wrong, others)]
    if not rows[0] or not rows[1]:
        return None
    held, taught = (torch.cat(each) for each in rows)
    other = torch.unique(held)
    apart = float(torch.isin(other, torch.unique(taught)).double().mean()) < APART
    return (len(other), len(held) / len(other)) if apart and len(other) >= FEWEST else None


def _loop(case: Case, steps: list[Step]) -> ast.For | None:
    """The loop over something that is called held out, in which some of the steps are taken, and not all."""
    lines = {s.backward[1] for s in steps if s.backward and case.source.code(s.backward)}
    moves = {s.moved[1] for s in steps if s.moved and case.source.code(s.moved)}
    for loop in (node for node in ast.walk(case.source.tree) if isinstance(node, ast.For)):
        over, inside = spelled(loop.iter), set(range(loop.lineno, (loop.end_lineno or loop.lineno) + 1))
        called = HELD_OUT.search(over) and not TRAIN.search(over)
        if called and lines & inside and moves & inside and not lines <= inside:
            return loop
    return None
