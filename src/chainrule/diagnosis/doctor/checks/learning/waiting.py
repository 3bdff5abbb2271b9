"""Where the time goes: to steps, or to what stands beside them and would be needed once, or less often."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Event, Forward, Line, Moved, is_network
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import calls, functions, learning_loops, name_of, reaches
from chainrule.diagnosis.doctor.findings import Fact, Finding

SLOW = 4.0
"""How many times the step's time the wait for a batch must take; twice is common with data made in Python."""
SECONDS = 1.0
"""Seconds that must go to it in all."""


@check("data-loading-slow", "evaluates-too-often", "saves-too-often")
def time_beside_steps(case: Case) -> Iterator[Finding]:
    """Where the time goes: to the step, or to what is around it."""
    waits: list[float] = []
    works: list[float] = []
    evaluations: list[float] = []
    last: float | None = None
    begun: float | None = None
    evaluated: float | None = None
    taken = len(case.seen.recorded)
    for event in case.seen.events:
        if isinstance(event, Moved):
            if begun is not None:
                works.append(event.at - begun)
            last, begun, evaluated = event.at, None, None
        elif isinstance(event, Forward) and is_network(event.module) and begun is None:
            if not event.grad or not event.training:
                evaluated = event.at if evaluated is None else evaluated
                continue
            begun = event.at
            if last is not None and evaluated is None:
                waits.append(event.at - last)
            elif evaluated is not None:
                evaluations.append(event.at - evaluated)
    if len(works) >= taken + FEWEST_STEPS:  # recorded ones take longer
        waits, works = waits[taken:], works[taken:]
    if len(works) < FEWEST:
        return
    total = sum(works)
    if (
        len(waits) > 0.5 * len(works)
        and sum(waits) > SLOW * total
        and sum(waits) > SECONDS
        and median(waits) > SLOW * median(works)
    ):
        saved = _saving(case)
        yield Finding(
            "saves-too-often" if saved else "data-loading-slow",
            "The weights are saved after every step, which takes more time than learning."
            if saved
            else "Most of the time goes by before a batch is there, not in the step.",
            "warning",
            0.75 if saved else 0.7,
            (
                Fact(
                    "time between a step and the next call, and of the step (median)",
                    f"{1e3 * median(waits):.2g} ms, {1e3 * median(works):.2g} ms",
                ),
                Fact("share of the time", f"{sum(waits) / (sum(waits) + total):.0%}"),
            ),
            "Save once an epoch, outside of the loop over batches."
            if saved
            else "Prepare the data once, before the loop; or several workers in the `DataLoader`.",
            case.place(saved or next((f.line for f in case.forwards if f.learning), None)),
        )
    if len(evaluations) > 0.5 * len(works) and sum(evaluations) > 2 * total and sum(evaluations) > SECONDS:
        yield Finding(
            "evaluates-too-often",
            "The network is evaluated after nearly every step, which takes more time than learning.",
            "warning",
            0.7,
            (
                Fact("evaluations", f"{len(evaluations)} in {len(works)} steps"),
                Fact("time for them, and for the steps", f"{sum(evaluations):.2g} s, {total:.2g} s"),
            ),
            "Evaluate once an epoch.",
        )


def _saving(case: Case) -> Line | None:
    """Where weights are written to a file, in the innermost loop around the call that is learned from."""
    around = learning_loops(case)
    if not around or case.source.path is None:
        return None
    known = functions(case.source.tree)
    for statement in (s for s in around[-1].body if not isinstance(s, ast.If)):
        for each in calls(statement):
            if name_of(each) in SAVES or (name_of(each) in known and reaches(known[name_of(each)], SAVES, known)):
                return str(case.source.path), each.lineno
    return None


@check("data-loading-slow")
def time_between_epochs(case: Case) -> Iterator[Finding]:
    """Long waits that come again with each epoch: the data are read and prepared anew."""
    begun = next((f.at for f in case.forwards if f.learning), None)
    periods = [b.at - a.at for a, b in pairwise(case.moves)]
    if begun is None or len(periods) < FEWEST_STEPS:
        return
    long = max(LONGEST_STEPS * median(periods), LEAST_WAIT)
    events = [each for each in case.seen.events if each.at > begun]
    waits = [b.at - a.at for a, b in pairwise(events) if b.at - a.at > long and _idle(a, b)]
    whole = case.seen.seconds - begun
    read = _reading(case)
    least = max(READING * whole, SECONDS / 3) if read else max(IDLE * whole, SECONDS)
    if len(waits) < EPOCHS or sum(waits) < least:
        return
    yield Finding(
        "data-loading-slow",
        "The data are read and prepared anew in every epoch."
        if read
        else "Much of the time goes by between epochs, when nothing is learned or evaluated.",
        "warning",
        0.85 if read else 0.6,
        (
            Fact("waits between epochs", f"{len(waits)}, of {median(waits):.2g} s each"),
            Fact("share of the time", f"{sum(waits) / whole:.0%} (usual: next to nothing)"),
            Fact("read in the loop by", f"`{read[1]}`" if read else "unknown"),
        ),
        "Read and prepare the data once, before the loop over epochs.",
        case.place(read[0]) if read else "",
    )


def _idle(before: Event, after: Event) -> bool:
    """Whether what lies between two events is no step, no evaluation and nothing that an optimizer does."""
    return not isinstance(before, (Forward, Backward)) and not isinstance(after, (Backward, Moved))


def _reading(case: Case) -> tuple[Line, str] | None:
    """What is called in the loop over epochs, outside of that over batches, and reads files."""
    around = learning_loops(case)
    if not around or case.source.path is None:
        return None
    known = functions(case.source.tree)
    inner = around[1:2]
    for statement in (s for s in around[0].body if s not in inner):
        if (name := reaches(statement, READS, known)) or (name := _made(statement, case.source.tree)):
            return (str(case.source.path), statement.lineno), name
    return None


def _made(statement: ast.AST, tree: ast.AST) -> str:
    """A class of the program's that reads files and is made there."""
    known = functions(tree)
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    found = (name_of(each) for each in calls(statement))
    return next((name for name in found if name in classes and reaches(classes[name], READS, known)), "")


SAVES = frozenset({"save", "save_file", "savez", "dump", "save_checkpoint", "save_model"})
"""What writes weights to a file."""
READS = frozenset(
    {"open", "imread", "load", "loadtxt", "genfromtxt", "read_csv", "read_parquet", "read_json", "read_excel",
     "read_text", "read_bytes", "glob", "listdir", "fetch_openml", "frombuffer", "fromfile", "memmap"}
)  # fmt: skip
"""What reads data from files."""
EPOCHS = 3
"""Waits that must have come: one of each epoch."""
FEWEST = 10
"""Steps below which nothing is said of the time."""
FEWEST_STEPS = 20
"""Steps that it takes to know how long one is."""
LONGEST_STEPS = 8.0
"""Usual steps that a wait must take."""
LEAST_WAIT = 0.05
"""Seconds that it must take."""
READING = 0.2
"""Share of the time that must go to waits, where the loop is seen to read files."""
IDLE = 0.5
"""The same where it is not."""
