"""Slips of any formula: a sign, a factor, a transpose, a forgotten sum, results in another order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from chainrule.analysis.compare._formula import Line
from chainrule.analysis.compare._numbers import error, factor
from chainrule.analysis.compare._trial import Row, Trial


def general_slip(trial: Trial, name: str, lines: Mapping[str, Line]) -> tuple[str, str] | None:
    """Label and sentence of what turns the formula's result into the user's, on every case; None if nothing does."""
    rows = [row for row in trial.rows if name in row.found]
    pairs = []
    for row in rows:
        try:
            wanted = np.asarray(getattr(row.right.changed(lines), name), dtype=np.float64)
        except Exception:
            return None
        pairs.append((row.found[name], wanted, row))
    tolerance = trial.allowed(name)
    informative = [p for p in pairs if not error(p[0], p[1]) <= tolerance]
    if not informative:
        return None
    for label, sentence, holds in _TRIES:
        if all(holds(found, wanted, row, tolerance) for found, wanted, row in informative):
            return label, sentence.format(name=name)
    return _swapped(trial, name, informative) or _ignored(trial, name, lines) or _factor(name, informative)


Pair = tuple[np.ndarray, np.ndarray, Row]
Holds = Callable[[np.ndarray, np.ndarray, Row, float], bool]


def _close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    return error(a, b) <= tolerance


_TRIES: tuple[tuple[str, str, Holds], ...] = (
    (
        "not-a-number",
        "{name} has numbers that are not finite",
        lambda a, b, row, tol: a.shape == b.shape and not np.isfinite(a).all(),
    ),
    (
        "transposed",
        "{name} is transposed",
        lambda a, b, row, tol: a.ndim == b.ndim == 2 and _close(a, b.T, tol),
    ),
    (
        "batch-not-summed",
        "{name} is not summed over the examples: it has a number for each of them",
        lambda a, b, row, tol: a.ndim > b.ndim and _close(a.sum(axis=tuple(range(a.ndim - b.ndim))), b, tol),
    ),
    (
        "wrong-shape",
        "{name} has the right numbers in another shape",
        lambda a, b, row, tol: a.shape != b.shape and a.size == b.size and _close(a.ravel(), b.ravel(), tol),
    ),
    ("sign", "{name} has the wrong sign", lambda a, b, row, tol: _close(a, -b, tol)),
    ("zero", "{name} is zero everywhere", lambda a, b, row, tol: a.shape == b.shape and not a.any()),
)


def _swapped(trial: Trial, name: str, pairs: list[Pair]) -> tuple[str, str] | None:
    """The result stands where another one belongs."""
    formula = trial.student.formula
    group = formula.outputs if name in formula.outputs else formula.gradients
    for other in group:
        rows = [(found, row.wanted[other]) for found, _, row in pairs if other in row.wanted]
        if other != name and rows and all(_close(found, wanted, trial.allowed(name)) for found, wanted in rows):
            return "order-of-results", "results are returned in another order than expected: " + ", ".join(group)
    return None


def _ignored(trial: Trial, name: str, lines: Mapping[str, Line]) -> tuple[str, str] | None:
    """The gradient is that of an upstream gradient of ones."""
    formula = trial.student.formula
    if name not in formula.gradients:
        return None
    for row in (row for row in trial.rows if name in row.found):
        ones = {d: np.ones(np.shape(row.given[d])) for d in formula.upstream}
        if not _close(row.found[name], getattr(row.right.changed(lines, **ones), name), trial.allowed(name)):
            return None
    return "upstream-ignored", f"{name} does not contain the gradient that comes from above"


def _factor(name: str, pairs: list[Pair]) -> tuple[str, str] | None:
    """The result is a multiple: of the number of examples, or of the same number always."""
    found = [(factor(a, b), row) for a, b, row in pairs if np.abs(b).max(initial=0) > 1e-3]
    if not found or any(c is None for c, _ in found):
        return None
    known = [(c, row) for c, row in found if c is not None]
    sizes = {row.case: _examples(row) for _, row in known}
    if len(set(sizes.values())) > 1 or next(iter(sizes.values())) > 1:
        if all(abs(c - sizes[row.case]) < 1e-6 * c for c, row in known):
            return "missing-1-over-n", f"{name} is N times too large: 1/N is missing"
        if all(abs(c * sizes[row.case] - 1) < 1e-6 for c, row in known):
            return "extra-1-over-n", f"{name} is N times too small: it is divided by the number of examples"
    c = known[0][0]
    if all(abs(other - c) < 1e-6 * abs(c) for other, _ in known):
        return f"factor-{c:.6g}", f"{name} is {c:.6g} times what it should be"
    return None


def _examples(row: Row) -> int:
    first = next((value for value in row.given.values() if isinstance(value, np.ndarray) and value.ndim), None)
    return 1 if first is None else len(first)
