"""The user's code on all cases, beside the book."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.analysis.compare._formula import Case, Formula, Values
from chainrule.analysis.compare._numbers import SINGLE, TOLERANCE, error
from chainrule.analysis.compare._signature import plan_backward
from chainrule.analysis.compare._student import Answer, Student, Unusable
from chainrule.core.errors import UsageError


@dataclass
class Row:
    """One case: what the book says, what the user's code says.

    Args:
        case: Its name.
        right: The formula on the case's numbers.
        wanted: The book's results.
        found: The user's results.
        problem: Why there are fewer than there should be.
    """

    case: str
    right: Values
    given: dict[str, Any]
    wanted: dict[str, Any]
    found: dict[str, np.ndarray] = field(default_factory=dict)
    problem: str = ""


@dataclass
class Trial:
    """All cases, and what was noticed on the way: places where the user's code changes what it was given."""

    student: Student
    rows: list[Row] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=lambda: {"forward": [], "backward": []})
    cache_changed: bool = False
    single: bool = False

    @property
    def tolerance(self) -> float:
        """Relative error up to which results agree."""
        return SINGLE if self.single else TOLERANCE

    def allowed(self, name: str) -> float:
        """The same for one result."""
        return self.student.formula.loose.get(name, self.tolerance)

    def names(self) -> list[str]:
        """Results that the user's code gave at least once, in the formula's order."""
        formula = self.student.formula
        return [n for n in (*formula.outputs, *formula.gradients) if any(n in row.found for row in self.rows)]

    def errors(self, name: str) -> list[float]:
        """Of one result, for each case that has it."""
        return [error(row.found[name], row.wanted[name]) for row in self.rows if name in row.found]

    def wrong(self) -> list[str]:
        """Results that differ from the book's in at least one case."""
        return [name for name in self.names() if not max(self.errors(name)) <= self.allowed(name)]


def run_trial(student: Student, seed: int) -> Trial:
    """Run somebody's code on all cases that it can be given.

    Raises:
        UsageError: Its parameters do not fit.
        Exception: Theirs, where their code fails on every case.
    """
    trial, formula = Trial(student), student.formula
    rng = np.random.default_rng(seed)
    failure: Exception | None = None
    cases = _cases(formula, student, rng)
    student.settle(_row(formula, student, cases[0]).given)
    for case in cases:
        row = _row(formula, student, case)
        trial.rows.append(row)
        try:
            _fill(trial, row, rng)
        except (UsageError, ImportError, NameError):  # the same on every case
            raise
        except Unusable as why:
            row.problem = str(why)
        except Exception as error:
            failure, row.problem = error, _told(error, student)
    if failure is not None and not any(row.found for row in trial.rows):
        raise failure
    return trial


def _cases(formula: Formula, student: Student, rng: np.random.Generator) -> Sequence[Case]:
    return [case for case in formula.cases(rng) if all(student.takes(name) for name in case.needs)]


def _row(formula: Formula, student: Student, case: Case) -> Row:
    given = {
        a.name: case.values[a.name] if a.name in case.values and (a.required or student.takes(a.name)) else a.standard
        for a in formula.arguments
    }
    given |= {name: value for name, value in case.values.items() if name not in given}
    return Row(case.name, formula.values(given), given, {})


def _fill(trial: Trial, row: Row, rng: np.random.Generator) -> None:
    student, formula = trial.student, trial.student.formula
    answer = student.forward(row.given)
    _note(trial, answer, "forward")
    if formula.observed is not None:
        seen = formula.observed(row.right, answer.found)
        row.given |= {name: value for name, value in seen.items() if name not in formula.outputs}
        answer.found |= {name: np.asarray(value) for name, value in seen.items() if name in formula.outputs}
    cached = student.caches
    received = _upstream_received(student, cached)
    for name, output in formula.upstream.items():
        shape = np.shape(getattr(formula.values(row.given), output))
        drawn = rng.standard_normal(shape) if shape else np.float64(1.7)
        row.given[name] = drawn if name in received else np.ones(shape)
    row.right = formula.values(row.given)
    names = [n for n in formula.outputs if n in answer.found]
    row.wanted = formula.reference(row.given, names)
    row.found = {name: answer.found[name] for name in names}
    if student.backward_function is None:
        gradients = {name: value for name, value in answer.found.items() if name in formula.gradients}
    elif cached and answer.extra is None:  # nothing is kept at test time
        gradients = {}
    else:
        first = student.backward(row.given, answer.extra, cached=cached)
        _note(trial, first, "backward")
        gradients = first.found
        if cached and "cache" in received:
            _again(trial, row, answer, first)
    row.wanted |= formula.reference(row.given, gradients)
    row.found |= gradients


def _again(trial: Trial, row: Row, answer: Answer, first: Answer) -> None:
    """A second backward pass with the same cache must give the same."""
    try:
        second = trial.student.backward(row.given, answer.extra, cached=True)
    except Exception:
        trial.cache_changed = True
        return
    if any(error(second.found[name], value) > trial.tolerance for name, value in first.found.items()):
        trial.cache_changed = True


def _upstream_received(student: Student, cached: bool) -> frozenset[str]:
    if student.backward_function is None:
        return frozenset()
    return plan_backward(student.backward_function, student.formula, cached=cached).received


def _note(trial: Trial, answer: Answer, way: str) -> None:
    trial.single = trial.single or answer.single
    known = trial.changed[way]
    known += [name for name in answer.changed if name not in known and name != "cache"]


def _told(failure: Exception, student: Student) -> str:
    """Kind, message and the line of the user's file."""
    file = getattr(getattr(student.forward_function, "__code__", None), "co_filename", "")
    lines = [frame.lineno for frame in traceback.extract_tb(failure.__traceback__) if frame.filename == file]
    where = f" in line {lines[-1]}" if lines else ""
    said = (str(failure).splitlines() or [""])[0][:200]
    return f"your code fails with {type(failure).__name__}{where}" + (f": {said}" if said else "")
