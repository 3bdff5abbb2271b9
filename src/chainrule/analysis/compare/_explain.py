"""Which slip, or which two, reproduce the numbers that were given."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.analysis.compare._formula import Line, Slip
from chainrule.analysis.compare._general import general_slip
from chainrule.analysis.compare._numbers import error
from chainrule.analysis.compare._trial import Row, Trial

NUMERICAL = 1e-4
"""Agreement with finite differences of the user's own forward function."""
_MOST = 60  # numbers of one argument that finite differences are taken of
_ROWS = 3


@dataclass(frozen=True)
class Finding:
    """Something that explains results.

    Args:
        label: Stable, for programs.
        sentence: For a reader.
        results: Which results it explains.
        kind: "slip", "convention" or "weakness".
        convention: Where it comes from, if it is one.
    """

    label: str
    sentence: str
    results: tuple[str, ...]
    kind: str = "slip"
    convention: str = ""

    @classmethod
    def of(cls, slip: Slip, results: Sequence[str]) -> Finding:
        """A slip that explains these results."""
        return cls(slip.label, slip.sentence, tuple(results), slip.kind, slip.convention)


@dataclass(frozen=True)
class Explanation:
    """Findings, results that follow from a forward function that differs, and results that nothing explains."""

    findings: tuple[Finding, ...]
    following: tuple[str, ...]
    unexplained: tuple[str, ...]


def explain(trial: Trial) -> Explanation:
    """Explain all results that differ from the book's."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _explain(trial)


def _explain(trial: Trial) -> Explanation:
    formula, wrong = trial.student.formula, trial.wrong()
    outputs = [name for name in formula.outputs if name in trial.names()]
    wrong_outputs = [name for name in wrong if name in outputs]
    gradients = [name for name in wrong if name not in outputs]
    findings: list[Finding] = []
    unexplained: list[str] = []
    before: tuple[Slip, ...] = ()
    if wrong_outputs:
        before = _forward(trial, outputs, gradients)
        findings += [Finding.of(s, wrong_outputs) for s in before]
        if not before:
            for name in wrong_outputs:
                _add(findings, unexplained, trial, name, ())
    lines = _merged(before)
    following = [name for name in gradients if wrong_outputs and _same(trial, name, lines)]
    rest = [name for name in gradients if name not in following]
    if wrong_outputs:
        own = [name for name in rest if _own_gradient(trial, name)]
        following, rest = [*following, *own], [name for name in rest if name not in own]
    for slip in _covering(trial, rest, lines):
        explained = [name for name in rest if _same(trial, name, {**lines, **slip.lines})]
        findings.append(Finding.of(slip, explained))
        rest = [name for name in rest if name not in explained]
    for name in rest:
        _add(findings, unexplained, trial, name, before)
    return Explanation(tuple(_joined(findings)), tuple(following), tuple(unexplained))


def _forward(trial: Trial, outputs: Sequence[str], gradients: Sequence[str]) -> tuple[Slip, ...]:
    """The smallest set of slips that gives all outputs; of several, the one that gives most gradients too."""
    for size in (1, 2):
        hits = [
            slips
            for slips in _sets(trial.student.formula.slips, size)
            if all(_same(trial, name, _merged(slips)) for name in outputs)
        ]
        if hits:
            return max(hits, key=lambda slips: sum(_same(trial, name, _merged(slips)) for name in gradients))
    return ()


def _covering(trial: Trial, names: Sequence[str], lines: dict[str, Line]) -> list[Slip]:
    """Single slips for gradients, those that explain most first."""
    left, chosen = list(names), []
    slips = [s for s in _consistent(trial, lines) if not s.lines.keys() & lines.keys()]
    while left:
        explained = [[name for name in left if _same(trial, name, {**lines, **s.lines})] for s in slips]
        most = max(explained, key=len, default=[])
        if not most:
            break
        chosen.append(slips[explained.index(most)])
        left = [name for name in left if name not in most]
    return chosen


def _consistent(trial: Trial, lines: dict[str, Line]) -> list[Slip]:
    """Slips that may explain a gradient: a convention only where the outputs follow it too."""
    outputs = [name for name in trial.student.formula.outputs if name in trial.names()]
    return [
        s
        for s in trial.student.formula.slips
        if not s.convention or all(_same(trial, name, {**lines, **s.lines}) for name in outputs)
    ]


def _add(findings: list[Finding], unexplained: list[str], trial: Trial, name: str, before: tuple[Slip, ...]) -> None:
    """One result alone: one slip, a slip of any formula, then two slips."""
    lines = _merged(before)
    slips = [
        s
        for s in (trial.student.formula.slips if name in trial.student.formula.outputs else _consistent(trial, lines))
        if s not in before
    ]
    for slip in slips:
        if _same(trial, name, {**lines, **slip.lines}):
            findings.append(Finding.of(slip, [name]))
            return
    general = general_slip(trial, name, lines)
    if general is not None:
        findings.append(Finding(*general, (name,)))
        return
    for two in _sets(slips, 2):
        if _same(trial, name, {**lines, **_merged(two)}):
            findings += [Finding.of(s, [name]) for s in two]
            return
    for slip in slips:
        general = general_slip(trial, name, {**lines, **slip.lines})
        if general is not None:
            findings += [Finding.of(slip, [name]), Finding(*general, (name,))]
            return
    unexplained.append(name)


def _sets(slips: Sequence[Slip], size: int) -> Iterator[tuple[Slip, ...]]:
    for some in itertools.combinations(slips, size):
        if len({line for slip in some for line in slip.lines}) == sum(len(slip.lines) for slip in some):
            yield some


def _merged(slips: Sequence[Slip]) -> dict[str, Line]:
    return {name: line for slip in slips for name, line in slip.lines.items()}


def _same(trial: Trial, name: str, lines: dict[str, Line]) -> bool:
    """Whether the formula with these lines gives the user's numbers wherever there are any."""
    rows = [row for row in trial.rows if name in row.found]
    return all(_fits(row, name, lines, trial.allowed(name)) for row in rows)


def _fits(row: Row, name: str, lines: dict[str, Line], tolerance: float) -> bool:
    try:
        variant = np.asarray(getattr(row.right.changed(lines), name), dtype=np.float64)
    except (ValueError, IndexError, TypeError, ZeroDivisionError, AttributeError, FloatingPointError):
        return False
    found = row.found[name]
    if not np.isfinite(found).all() and not np.isfinite(variant).all():
        return True  # both break down here; how exactly depends on the order of operations
    return error(found, variant) <= tolerance


def _own_gradient(trial: Trial, name: str) -> bool:
    """Whether a gradient is that of what the user's forward function computes, by finite differences of it."""
    formula, argument = trial.student.formula, name[1:]
    if formula.observed is not None and "kept" in (trial.rows[0].given if trial.rows else {}):
        return False
    rows = [row for row in trial.rows if name in row.found and isinstance(row.given.get(argument), np.ndarray)]
    rows = [row for row in rows if 0 < row.given[argument].size <= _MOST and np.isfinite(row.found[name]).all()][:_ROWS]
    return bool(rows) and all(_agrees_with_differences(trial, row, name, argument) for row in rows)


def _agrees_with_differences(trial: Trial, row: Row, name: str, argument: str) -> bool:
    x, slopes, step = row.given[argument], np.zeros(row.given[argument].shape), 1e-5
    upstream = {output: row.given[d] for d, output in trial.student.formula.upstream.items()}
    for place in np.ndindex(*x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * step
            try:
                found: dict[str, Any] = trial.student.forward({**row.given, argument: moved}).found
                ends.append(sum(float(np.sum(found[output] * d)) for output, d in upstream.items()))
            except Exception:
                return False
        slopes[place] = (ends[0] - ends[1]) / (2 * step)
    return error(row.found[name], slopes) <= NUMERICAL


def _joined(findings: Sequence[Finding]) -> list[Finding]:
    """The same finding for several results is one."""
    by_label: dict[str, Finding] = {}
    for f in findings:
        old = by_label.get(f.label)
        results = f.results if old is None else tuple(dict.fromkeys((*old.results, *f.results)))
        said = [] if old is None else old.sentence.split("; ")
        sentence = "; ".join(dict.fromkeys([*said, f.sentence]))
        by_label[f.label] = replace(f if old is None else old, results=results, sentence=sentence)
    return list(by_label.values())
