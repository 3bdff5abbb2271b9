"""Small taken for good where large is, or the other way: schedules that wait for a plateau, and the best of epochs."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from statistics import mean

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Judged, Line, Scheduled
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import spelled
from chainrule.diagnosis.doctor.checks.learning._loop import number
from chainrule.diagnosis.doctor.checks.learning._wanted import wanted
from chainrule.diagnosis.doctor.checks.learning.schedules import EXPLAINED
from chainrule.diagnosis.doctor.findings import Fact, Finding

FEWEST = 4
"""Values that must have been given to a schedule before they have a direction."""
TOGETHER = 0.7
"""Correlation of the values' ranks with those of the training loss, from which on they go the same way."""


@check("plateau-in-wrong-mode")
def plateau_in_wrong_mode(case: Case) -> Iterator[Finding]:
    """A schedule that takes what gets better for what gets worse."""
    told: dict[int, list[Judged]] = {}
    for event in case.seen.of(Judged):
        told.setdefault(id(event.scheduler), []).append(event)
    for events in told.values():
        scheduler, values = events[0].scheduler, [each.value for each in events]
        losses = _losses_before(case, events)
        if len(values) < FEWEST or len(losses) != len(values) or not all(map(math.isfinite, values)):
            continue
        kind = _kind(case, events[0], values, losses)
        mode = str(getattr(scheduler, "mode", "min"))
        if kind == 0 or (kind < 0) == (mode == "min"):
            continue
        rates = [max(moved.rates) for moved in case.moves if moved.optimizer is scheduler.optimizer]
        fell = bool(rates) and rates[-1] < 0.99 * max(rates)
        small = kind < 0
        yield Finding(
            "plateau-in-wrong-mode",
            f"The schedule waits for a value to {'rise' if small else 'fall'} (mode={mode!r}) that is better when it "
            f"is {'small' if small else 'large'}: each improvement counts as a bad epoch.",
            "fault" if fell else "warning",
            0.95 if fell else 0.7,
            (
                Fact("values that it was given, at first and at last", f"{number(values[0])}, {number(values[-1])}"),
                Fact("training loss at the same time", f"{number(losses[0])}, {number(losses[-1])}"),
                Fact("rate at first and at last", f"{number(rates[0])}, {number(rates[-1])}" if rates else "unknown"),
            ),
            f'ReduceLROnPlateau(optimizer, mode="{"min" if small else "max"}").',
            case.place(_made_at(case, scheduler) or events[0].line),
            explains=(*EXPLAINED, "schedule-kills-rate"),
        )


def _made_at(case: Case, scheduler: object) -> Line | None:
    made: list[Scheduled] = case.seen.of(Scheduled)
    return next((each.line for each in made if each.scheduler is scheduler), None)


def _losses_before(case: Case, events: list[Judged]) -> list[float]:
    """The mean training loss before each value."""
    passes: list[Backward] = case.seen.of(Backward)
    found, begun = [], -math.inf
    for event in events:
        between = [each.loss for each in passes if begun < each.at <= event.at]
        if between:
            found.append(mean(between))
        begun = event.at
    return found


def _kind(case: Case, event: Judged, values: list[float], losses: list[float]) -> int:
    """Whether values should fall (-1) or rise (1): by their name, and by how they go beside the training loss."""
    name = _argument(case, event)
    said = wanted(name) if name else 0
    together = ranks_together(values, losses)
    if abs(together) < TOGETHER or ranks_together(losses, range(len(losses))) > -TOGETHER:
        return said if name and abs(together) < TOGETHER else 0
    seen = -1 if together > 0 else 1
    if seen > 0 and said == 0 and not all(0.0 <= value <= 1.0 for value in values):
        return 0  # a loss of held-out examples may rise while the training's falls
    return seen if said in (0, seen) else 0


def _argument(case: Case, event: Judged) -> str:
    """What a schedule was given, as it is written."""
    if event.line is None:
        return ""
    for node in ast.walk(case.source.tree):
        if isinstance(node, ast.Call) and node.lineno == event.line[1] and node.args and "step" in spelled(node.func):
            return spelled(node.args[0])
    return ""


def ranks_together(one: Sequence[float], other: Sequence[float]) -> float:
    """Correlation of ranks.

    Example:
        >>> ranks_together([1.0, 2.0, 4.0], [0.1, 0.2, 0.3])
        1.0
    """
    places = [torch.tensor(list(each)).double().argsort().argsort().double() for each in (one, other)]
    centered = [place - place.mean() for place in places]
    size = float(centered[0].norm() * centered[1].norm())
    return round(float(centered[0] @ centered[1]) / size, 6) if size else 0.0


@check("best-in-wrong-direction")
def best_in_wrong_direction(case: Case) -> Iterator[Finding]:
    """A comparison with the best value so far that keeps the worst one, or that never holds."""
    if not case.moves or case.source.path is None:
        return
    starts = _starts(case.source.tree)
    for branch in (node for node in ast.walk(case.source.tree) if isinstance(node, ast.If)):
        found = _comparison(branch)
        if found is None:
            continue
        value, best, rises = found
        kind = wanted(value) or wanted(best)
        start = starts.get(best)
        never = start is not None and (start == math.inf if rises else start == -math.inf)
        never = never or (start == 0.0 and not rises and kind < 0)  # no loss is below zero
        wrong = kind != 0 and (kind > 0) != rises
        if not (wrong or never):
            continue
        small = (kind < 0) if kind else not rises
        yield Finding(
            "best-in-wrong-direction",
            f"`{best}` begins at {start:g}, so that `{spelled(branch.test)}` never holds: nothing is ever the best."
            if never and start is not None and not wrong
            else f"`{spelled(branch.test)}` keeps the {'largest' if small else 'smallest'} {value}: the worst epoch.",
            "fault",
            0.9,
            (
                Fact("comparison", spelled(branch.test)),
                Fact("what is better", f"a {'small' if small else 'large'} {value}"),
                Fact("where the best begins", "unknown" if start is None else f"{start:g}"),
            ),
            f"`if {value} {'<' if small else '>'} {best}`, with `{best} = {'inf' if small else '-inf'}` at first.",
            case.place((str(case.source.path), branch.lineno)),
            explains=("stopped-too-early", "too-few-steps", "underfits"),
        )
        return


def _comparison(branch: ast.If) -> tuple[str, str, bool] | None:
    """Of `if value > best: best = value`: value, best, and whether it is larger ones that are kept."""
    test = branch.test.values[-1] if isinstance(branch.test, ast.BoolOp) else branch.test
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    left, right = spelled(test.left), spelled(test.comparators[0])
    if isinstance(test.ops[0], (ast.Gt, ast.GtE)):
        larger, smaller = left, right
    elif isinstance(test.ops[0], (ast.Lt, ast.LtE)):
        larger, smaller = right, left
    else:
        return None
    for node in (inner for statement in branch.body for inner in ast.walk(statement)):
        if isinstance(node, ast.Assign):
            for target, value in _pairs(node):
                if target in (larger, smaller) and value == (smaller if target == larger else larger):
                    return value, target, value == larger
    return None


def _pairs(node: ast.Assign) -> Iterator[tuple[str, str]]:
    """Targets of an assignment with what they get."""
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from zip(map(spelled, target.elts), map(spelled, node.value.elts))
        else:
            yield spelled(target), spelled(node.value)


def _starts(tree: ast.AST) -> dict[str, float]:
    """What names are first set to, where it is a plain number."""
    found: dict[str, float] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target, value in _pairs(node):
                if target not in found and (plain := _number(value)) is not None:
                    found[target] = plain
    return found


def _number(text: str) -> float | None:
    sign, bare = (-1.0, text[1:]) if text.startswith("-") else (1.0, text)
    if bare in ("math.inf", "np.inf", "numpy.inf", "torch.inf", "inf", "float('inf')", "float('infinity')"):
        return sign * math.inf
    if bare in ("float('-inf')",):
        return -math.inf
    try:
        return sign * float(bare)
    except ValueError:
        return None
