"""Ratios that are computed for each small batch and averaged: F1, R2, precision, an area under a curve."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from statistics import mean
from typing import Any

import numpy as np

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Measured, Moved, Printed
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import calls, functions, line_of, loops, name_of, spelled
from chainrule.diagnosis.doctor.checks.objective._answers import Answer, numbers_in, passes, printed_after, said
from chainrule.diagnosis.doctor.checks.objective._comparisons import plain_name
from chainrule.diagnosis.doctor.findings import Fact, Finding

RATIOS = ("f1_score", "precision_score", "recall_score", "balanced_accuracy_score", "matthews_corrcoef",
          "cohen_kappa_score", "roc_auc_score", "average_precision_score", "r2_score",
          "explained_variance_score")  # fmt: skip
"""Metrics of scikit-learn's that are no means over examples."""
NAMED = re.compile(
    r"(^|_)(f1|f_?score|r2|r_squared|precision|recall|auc|auroc|mcc|kappa|corr|correlation)(_score|_coefficient)?$"
)
"""Names that people give their own ones."""
PIECES = 3
"""Batches from which on a mean of them was meant."""
APART = 0.01
"""How far the mean must be from the ratio of all examples."""
MUCH = 0.05
"""The same from which on it is another result."""
_PART = r"(?:[^(),]|\([^()]*\))*"
CHUNKS = re.compile(
    rf"\.split\(|\.chunk\(|array_split\(|batched\(|loader|batches|range\({_PART},{_PART},{_PART}\)", re.I
)
"""What people go through in pieces."""
WHOLE = re.compile(r"\.var\(|\.std\(|\.sum\(|np\.(var|std|sum)\(|torch\.(var|std|sum)\(|count_nonzero\(")
"""What a denominator takes of a piece, beyond how long it is."""


@check("ratio-averaged-over-batches")
def ratio_averaged(case: Case) -> Iterator[Finding]:
    """Metrics of small batches, beside that of all of them together."""
    found = _measured(case) or _recorded(case) or _written(case)
    if found is not None:
        yield found


def _finding(sure: float, facts: tuple[Fact, ...], name: str, where: str, *, much: bool) -> Finding:
    return Finding(
        "ratio-averaged-over-batches",
        f"{name} is computed for each batch and averaged, which is not that of all examples together.",
        "fault" if much else "warning",
        sure,
        facts,
        "Collect all predictions and targets, and compute it once; or add up its parts and divide at the end.",
        where,
        explains=("metric-mean-of-uneven-batches", "metric-of-last-batch", "metric-divided-wrongly"),
    )


def _measured(case: Case) -> Finding | None:
    """Calls of one of scikit-learn's metrics with the pieces of one evaluation."""
    steps = sorted(m.at for m in case.seen.of(Moved))
    groups: dict[tuple[Any, ...], list[Measured]] = {}
    for each in case.seen.of(Measured):
        if each.name in RATIOS and each.truth is not None and each.predicted is not None:
            groups.setdefault((int(np.searchsorted(steps, each.at)), each.name, each.line), []).append(each)
    for (_, name, line), pieces in reversed(groups.items()):
        sizes = [len(each.truth) for each in pieces]
        if len(pieces) < PIECES or len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0] or sizes[0] < 2:
            continue
        until = next((at for at in steps if at > pieces[-1].at), float("inf"))
        begun = next((at for at in reversed(steps) if at < pieces[0].at), 0.0)
        asked = sum(f.inputs.shape[0] for f in case.forwards if not f.learning and f.inputs and begun < f.at < until)
        if sum(sizes) > 1.01 * asked:
            continue  # columns or classes of the same examples
        truth, predicted = (np.concatenate([getattr(e, part) for e in pieces]) for part in ("truth", "predicted"))
        values = [float(each.value) for each in pieces if np.ndim(each.value) == 0]
        whole = _again(name, truth, predicted)
        known = [_again(name, e.truth, e.predicted) for e in pieces[:8]]
        same = [k is not None and abs(k - float(e.value)) < 1e-6 for k, e in zip(known, pieces)]
        if whole is None or len(values) < len(pieces) or sum(same) < 0.6 * len(same):
            continue
        shown = numbers_in("\n".join(e.text for e in case.seen.of(Printed) if pieces[-1].at <= e.at < until))
        averaged = mean(values)
        if abs(averaged - whole) < APART or said(shown, whole):
            continue
        facts = (
            Fact("batches", f"{len(pieces)} of {sizes[0]}"),
            Fact("mean over the batches" + (" (as printed)" if said(shown, averaged) else ""), f"{averaged:.4f}"),
            Fact("of all examples together", f"{whole:.4f}"),
        )
        much = abs(averaged - whole) >= MUCH
        return _finding(0.95 if said(shown, averaged) else 0.8, facts, name, case.place(line), much=much)
    return None


def _again(name: str, truth: Any, predicted: Any) -> float | None:
    """A metric computed once more, as it is without options."""
    import sklearn.metrics

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(getattr(sklearn.metrics, name)(truth, predicted))
        except (ValueError, TypeError):
            return None


def _recorded(case: Case) -> Finding | None:
    """Divisions of one number by another in each call of an evaluation, of which the mean was printed."""
    for answers in passes(case):
        sizes = [a.seen.forward.inputs.shape[0] for a in answers if a.seen.forward.inputs]
        if len(answers) < PIECES or len(sizes) < len(answers) or sizes[0] < 2 or sizes[-1] > sizes[0]:
            continue
        shown = printed_after(case, answers)
        quotients = [_quotient(answer) for answer in answers]
        pairs = [q for q in quotients if q is not None]
        if len(pairs) < len(answers) or len({b for _, b, _ in pairs}) < 2:
            continue
        whole = sum(a for a, _, _ in pairs) / sum(b for _, b, _ in pairs)
        averaged = mean(a / b for a, b, _ in pairs)
        for told, other in ((averaged, whole), (1 - averaged, 1 - whole)):
            if said(shown, told) and not said(shown, other) and abs(told - other) >= APART:
                facts = (
                    Fact("batches", f"{len(pairs)}"),
                    Fact("mean over the batches (as printed)", f"{told:.4f}"),
                    Fact("sum of numerators over sum of denominators", f"{other:.4f}"),
                )
                return _finding(0.9, facts, "A ratio", pairs[0][2] or "", much=abs(told - other) >= MUCH)
    return None


def _quotient(answer: Answer) -> tuple[float, float, str] | None:
    """The last division of two computed numbers after a call: numerator, denominator, line."""
    made = answer.made
    for operation in reversed(answer.after):
        if plain_name(operation) not in ("/", "div", "truediv") or len(operation.inputs) != 2:
            continue
        above, below = (answer.tensor(i) for i in operation.inputs)
        if above is None or below is None or above.ndim or below.ndim or operation.inputs[1] not in made:
            continue
        if float(below) == 0.0:
            return None
        line = answer.seen.lines.get(operation.index)
        return float(above), float(below), f"{line[0].rpartition('/')[2]}:{line[1]}" if line else ""
    return None


def _written(case: Case) -> Finding | None:
    """In the program: the mean over pieces of something that is divided by what a piece varies or adds up to."""
    tree = case.source.tree
    if not case.losses or case.source.path is None:
        return None
    for node in calls(tree, frozenset({"mean", "fmean", "average"})):
        given = node.args[0] if node.args else node.func.value if isinstance(node.func, ast.Attribute) else None
        for element, over in _elements(tree, given):
            told = _ratio(element, functions(tree))
            if told and CHUNKS.search(_resolved(tree, over)):
                facts = (
                    Fact("averaged", spelled(element)[:100]),
                    Fact("over pieces", spelled(over)[:80]),
                )
                return _finding(0.6, facts, told, case.place(line_of(case, node)), much=False)
    return None


def _elements(tree: ast.AST, given: ast.AST | None) -> Iterator[tuple[ast.AST, ast.AST]]:
    """What a mean is taken of: the elements of a list, and what it is made over."""
    if isinstance(given, ast.Call) and name_of(given) in ("tensor", "array", "stack") and given.args:
        given = given.args[0]
    if isinstance(given, (ast.ListComp, ast.GeneratorExp)) and len(given.generators) == 1:
        yield given.elt, given.generators[0].iter
    if isinstance(given, ast.Name):
        for loop in (n for n in loops(tree) if isinstance(n, ast.For)):
            if next(calls(loop, frozenset({"backward", "step"})), None) is not None:
                continue
            for call in calls(loop, frozenset({"append"})):
                if isinstance(call.func, ast.Attribute) and spelled(call.func.value) == given.id and call.args:
                    yield call.args[0], loop.iter
        for each in ast.walk(tree):
            if isinstance(each, ast.Assign) and spelled(each.targets[0]) == given.id:
                made = each.value
                if isinstance(made, (ast.ListComp, ast.GeneratorExp)) and len(made.generators) == 1:
                    yield made.elt, made.generators[0].iter


def _ratio(element: ast.AST, known: dict[str, Any]) -> str:
    """What ratio an expression is, in words; empty where it is none."""
    for node in ast.walk(element):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and WHOLE.search(spelled(node.right)):
            return f"`{spelled(node)[:60]}`"
        if isinstance(node, ast.Call) and NAMED.search(name_of(node)) and _divides(known.get(name_of(node))):
            return f"`{name_of(node)}`"
    return ""


def _divides(function: ast.AST | None) -> bool:
    """Whether a function of the program divides by what a piece varies or adds up to; a mean over examples does not."""
    return function is not None and any(
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and WHOLE.search(_resolved(function, node.right))
        for node in ast.walk(function)
    )


def _resolved(tree: ast.AST, node: ast.AST, depth: int = 3) -> str:
    """An expression as it is written, with what the names in it were assigned."""
    text = spelled(node)
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    if depth:
        for each in ast.walk(tree):
            if isinstance(each, ast.Assign) and spelled(each.targets[0]) in names and each.value is not node:
                text += " " + _resolved(tree, each.value, depth - 1)
    return text
