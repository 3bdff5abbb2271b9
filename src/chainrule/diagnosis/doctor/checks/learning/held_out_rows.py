"""Steps on what is held out, told by the examples themselves: whoever wrote the loop, and whatever it is called."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Forward, Line, Moved, is_network
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks._program import line_of, loops, spelled
from chainrule.diagnosis.doctor.findings import Fact, Finding

FEWEST = 16
"""Different examples from which on they are a part of the data."""
APART = 0.02
"""Share of one part's examples that may be among the other's: equal ones are found in most data."""
SHARE = (0.02, 0.7)
"""Share of the steps that such a phase has: a validation is no more than the training."""
SHRUNK = 0.34
"""Share of the examples of the first epoch that are left at most, where names were overwritten by a piece."""
CALLS = 8
"""Calls after that from which on it lasts."""


@check("learns-from-validation")
def learns_in_its_phase(case: Case) -> Iterator[Finding]:
    """Steps after calls in evaluation mode, on examples that no call in training mode has seen."""
    phases: dict[bool, list[Tensor]] = {True: [], False: []}
    wrong: list[Forward] = []
    last: Forward | None = None
    backward: Backward | None = None
    for event in case.seen.events:
        if isinstance(event, Forward) and event.grad and is_network(event.module):
            last = event
        elif isinstance(event, Backward):
            backward = event
        elif isinstance(event, Moved) and last is not None and backward is not None:
            if last.rows is not None:
                phases[last.training].append(last.rows)
                wrong += [] if last.training else [last]
            last = backward = None
    if not phases[True] or not phases[False]:
        return
    part = len(phases[False]) / (len(phases[True]) + len(phases[False]))
    taught, held = (torch.cat(phases[mode]) for mode in (True, False))
    known, other = torch.unique(taught), torch.unique(held)
    again = len(held) > 1.5 * len(other)
    apart = float(torch.isin(other, known).double().mean()) < APART
    if len(other) < FEWEST or not SHARE[0] < part < SHARE[1] or not again or not apart:
        return
    moved = [m for m in case.moves if m.at > wrong[0].at]
    yield Finding(
        "learns-from-validation",
        "Steps are taken in the validation phase as well: what is validated is learned from.",
        "fault",
        0.95,
        (
            Fact("steps after a call in evaluation mode", f"{part:.0%} of all (usual: none)"),
            Fact("different examples that are only met there", f"{len(other)}"),
            Fact("how often each was learned from", f"{len(held) / len(other):.3g} times"),
        ),
        'Go backward and step only `if phase == "train":`, the rest under `torch.no_grad()`.',
        case.place(moved[0].line if moved else wrong[0].line),
        explains=(
            "trained-in-evaluation-mode",
            "validation-among-training",
            "metric-on-training-data",
            "modules-in-another-mode",
            "evaluated-in-training-mode",
            "gradients-in-evaluation",
        ),
    )


@check("training-data-overwritten")
def training_data_overwritten(case: Case) -> Iterator[Finding]:
    """The examples of the first epoch beside those of all later ones: is only a piece left, and of what?"""
    calls = [f for f in case.forwards if f.rows is not None]
    begun = next((i for i, f in enumerate(calls) if f.learning), None)
    if begun is None:
        return
    cut = next((i for i in range(begun, len(calls)) if not calls[i].learning), None)
    if cut is None:
        return
    first = [f for f in calls[:cut] if f.learning]
    later = [f for f in calls[cut:] if f.learning]
    if len(later) < CALLS or len({f.line for f in (*first, *later)}) > 1:
        return
    early, late = (torch.unique(_rows(found)) for found in (first, later))
    if len(late) > SHRUNK * len(early) or len(early) < FEWEST:
        return
    evaluated = torch.unique(_rows([f for f in calls if not f.learning]))
    held = float(torch.isin(late, evaluated).double().mean())
    before = float(torch.isin(early, evaluated).double().mean())
    stranger = float(torch.isin(late, early).double().mean()) < APART
    piece = next((f for f in first[-2:] if bool(torch.isin(late, _rows([f])).all())), None)
    if not (held > 1 - APART and before < APART and stranger) and piece is None:
        return
    node, name = _overwritten(case, later[0].line)
    yield Finding(
        "training-data-overwritten",
        "After the first epoch only "
        + (f"the last {len(late)} examples of the validation" if stranger else f"one batch of {len(late)} examples")
        + " are trained on: the names of the training data were given to something else.",
        "fault",
        0.97 if stranger or node is not None else 0.9,
        (
            Fact("different examples in the first epoch", f"{len(early)}"),
            Fact("in all later ones", f"{len(late)}" + (", all of the validation" if stranger else "")),
            *((Fact("name that is used for both", name),) if name else ()),
        ),
        "Names of their own in each loop (`for xb, yb in ...`), or functions for training and evaluation.",
        case.place(line_of(case, node) or later[0].line),
        explains=(
            *LEARNS_LITTLE,
            "overfits",
            "few-examples-again",
            "validation-among-training",
            "metric-on-training-data",
            "learns-from-validation",
            "same-targets-every-step",
            "one-step-an-epoch",
            "evaluates-too-often",
            "batches-overlap",
        ),
    )


def _rows(calls: list[Forward]) -> Tensor:
    found = [f.rows for f in calls if f.rows is not None]
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.int64)


def _overwritten(case: Case, line: Line | None) -> tuple[ast.AST | None, str]:
    """The loop, or assignment in one, that gives another value to a name which the loop over batches takes."""
    if line is None or case.source.path is None:
        return None, ""
    around = [n for n in loops(case.source.tree) if n.lineno <= line[1] <= (n.end_lineno or n.lineno)]
    taken = {n.id for loop in around for n in ast.walk(loop) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    for loop in (n for n in loops(case.source.tree) if isinstance(n, ast.For)):
        names = {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
        outer = any(o.lineno < loop.lineno <= (o.end_lineno or o.lineno) for o in around)
        loaded = [n for o in around for n in ast.walk(o) if isinstance(n, ast.Name) and n.id in names]
        elsewhere = [n for n in loaded if not loop.lineno <= n.lineno <= (loop.end_lineno or loop.lineno)]
        if outer and names & taken and elsewhere:
            return loop, f"`{sorted(names & {n.id for n in elsewhere})[0]}` in `for {spelled(loop.target)} in ...`"
    return None, ""
