"""What came of a comparison, as plain data and in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.analysis.compare._explain import Explanation, explain
from chainrule.analysis.compare._formula import Formula
from chainrule.analysis.compare._student import Student
from chainrule.analysis.compare._table import formula_named
from chainrule.analysis.compare._trial import Trial, run_trial

Call = Callable[..., Any]


def compare_with_formula(
    name: str, forward: Call, backward: Call | None = None, *, seed: int = 0, run: Call | None = None
) -> dict[str, Any]:
    """Compare somebody's code with a formula of the book, on random and on hard cases.

    Args:
        name: Of the formula; `formulas` lists them.
        forward: Their function, in NumPy or torch: with the book's arguments (by name, else by position) or the
            courses' (`conv_param`, `bn_param`, `config`); it returns `out`, or `out, cache`, or `loss, dx`.
        backward: `dx, dw, db = backward(dout, cache)`, if there is one.
        seed: Of the random cases.
        run: Calls their functions; the default just calls.

    Returns:
        Plain data. `verdict` is "right", "convention" or "wrong"; `score` is the share of results that are right;
        `results` says for each result on how many cases it agrees and how large the error is; `findings` name the
        slips and conventions that reproduce the numbers that were given; `notes` is what else was noticed.

    Raises:
        UsageError: There is no such formula, or the functions take or return something else.
        Exception: Theirs, where their code fails on every case.

    Example:
        >>> import numpy as np
        >>> def relu(x):
        ...     return np.maximum(0, x), x
        >>> def relu_backward(dout, x):
        ...     return dout * (dout > 0)
        >>> found = compare_with_formula("relu", relu, relu_backward)
        >>> found["verdict"], found["findings"][0]["label"]
        ('wrong', 'mask-of-upstream')

    Source:
        LECTURES, whose formulas these are.
    """
    with np.errstate(all="ignore"):
        formula = formula_named(name)
        student = Student(
            formula, forward, backward, run or (lambda function, *args, **named: function(*args, **named))
        )
        trial = run_trial(student, seed)
        return _data(formula, trial, explain(trial))


def _data(formula: Formula, trial: Trial, explanation: Explanation) -> dict[str, Any]:
    findings = [
        {"label": f.label, "kind": f.kind, "convention": f.convention or None,
         "sentence": f.sentence, "results": [shown(name) for name in f.results]}
        for f in explanation.findings
    ]  # fmt: skip
    findings += _changes(formula, trial)
    results = [_result(name, trial, explanation) for name in trial.names()]
    missing = _missing(formula, trial)
    problems = [{"case": row.case, "problem": row.problem} for row in trial.rows if row.problem]
    right = all(r["state"] in ("right", "weakness") for r in results) and not any(f["convention"] for f in findings)
    wrong = any(f["kind"] == "slip" for f in findings) or explanation.unexplained or missing or problems or not results
    fine = sum(r["state"] != "wrong" for r in results)
    return {
        "formula": formula.name,
        "title": formula.title,
        "item": formula.item,
        "verdict": "wrong" if wrong else "right" if right else "convention",
        "score": round(fine / max(len(results) + len(missing), 1), 4) if not problems else 0.0,
        "cases": len(trial.rows),
        "tensors": "torch" if trial.student.torch else "numpy",
        "results": results,
        "missing": [shown(name) for name in missing],
        "findings": findings,
        "problems": problems,
        "unexplained": [shown(name) for name in explanation.unexplained],
        "notes": _notes(formula, trial),
    }


def shown(name: str) -> str:
    """A result's name as the reader knows it: `new_x` is what x becomes.

    Example:
        >>> shown("new_x"), shown("new_s"), shown("next_h")
        ('x', 'v', 'next_h')
    """
    return {"new_s": "v", "share": "share dropped"}.get(name, name.removeprefix("new_"))


def _result(name: str, trial: Trial, explanation: Explanation) -> dict[str, Any]:
    errors = [(row.case, e) for row, e in zip([row for row in trial.rows if name in row.found], trial.errors(name))]
    case, worst = max(errors, key=lambda pair: pair[1])
    state = "right"
    if not worst <= trial.allowed(name):
        kinds = {f.kind for f in explanation.findings if name in f.results}
        state = "follows" if name in explanation.following else "wrong"
        if kinds and "slip" not in kinds and name not in explanation.unexplained:
            state = "convention" if "convention" in kinds else "weakness"
    return {
        "name": shown(name),
        "state": state,
        "agrees": sum(e <= trial.allowed(name) for _, e in errors),
        "cases": len(errors),
        "error": worst if math.isfinite(worst) else None,
        "worst_case": case,
        "shape": _shapes(name, trial),
    }


def _shapes(name: str, trial: Trial) -> dict[str, list[int]] | None:
    for row in trial.rows:
        if name in row.found and row.found[name].shape != np.shape(row.wanted[name]):
            return {"found": list(row.found[name].shape), "expected": list(np.shape(row.wanted[name]))}
    return None


def _missing(formula: Formula, trial: Trial) -> list[str]:
    """Results that should be there: all outputs, and all gradients once there is a backward function."""
    wanted = [name for name in formula.outputs if name not in formula.optional]
    if trial.student.backward_function is not None:
        wanted += formula.gradients
    return [name for name in wanted if name not in trial.names()] if any(row.found for row in trial.rows) else []


def _changes(formula: Formula, trial: Trial) -> list[dict[str, Any]]:
    found = []
    for way, names in trial.changed.items():
        own = [n for n in names if n not in formula.upstream and not (formula.moves or n.startswith("running"))]
        if own:
            sentence = f"your {way} function changes {', '.join(own)} in place: the caller's numbers are lost"
            found.append(("input-changed-in-place", sentence, own))
    if trial.cache_changed:
        found.append(
            (
                "cache-changed-in-place",
                "your backward function changes the cache: a second call gives something else",
                [],
            )
        )
    return [{"label": a, "kind": "slip", "convention": None, "sentence": b, "results": c} for a, b, c in found]


def _notes(formula: Formula, trial: Trial) -> list[str]:
    notes = []
    if trial.single:
        notes.append(f"your code computes in float32; it is compared with a tolerance of {trial.tolerance:g}")
    upstream = [name for name in trial.changed["backward"] if name in formula.upstream]
    if upstream:
        notes.append(
            f"your backward function changes {', '.join(upstream)} in place: who else uses it gets something else"
        )
    if (
        formula.gradients
        and trial.names()
        and trial.student.backward_function is None
        and not trial.student.given_gradients
    ):
        notes.append("only the forward function was compared: name the backward function too, FILE.py:forward,backward")
    return notes
