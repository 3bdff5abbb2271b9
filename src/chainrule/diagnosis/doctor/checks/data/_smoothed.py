"""Series that were smoothed or filled with later values before a forecast is made of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import calls, functions, line_of, name_of, spelled
from chainrule.diagnosis.doctor.checks.data._facts import facts
from chainrule.diagnosis.doctor.checks.data._fit import r_squared
from chainrule.diagnosis.doctor.checks.data._in_time import slides
from chainrule.diagnosis.doctor.checks.data._whole import held_out, whole
from chainrule.diagnosis.doctor.findings import Fact, Finding

LAGS = 12
"""Places before and after that are looked at."""
EXACT = 0.999
"""Share of the last step's variance that targets around it explain, from which it was made of them."""
FUTURE = 0.02
"""How much of it those that come later must explain beyond the earlier ones."""
WINDOWS = 120
"""Windows in order that are needed."""
_CENTERED = frozenset({"savgol_filter", "filtfilt", "sosfiltfilt", "gaussian_filter1d", "gaussian_filter",
                       "uniform_filter1d", "median_filter", "medfilt", "wiener", "bfill", "backfill"})  # fmt: skip
"""Functions that look to both sides."""


@check("smoothed-with-the-future")
def smoothed_with_future(case: Case) -> Iterator[Finding]:
    """Is the last step of each window a mean of the targets around it, those after it as well?"""
    node = _centered(case)
    for inputs, targets in _ordered(case):
        found = _made_of_later(inputs, targets)
        if found is None:
            continue
        both, before = found
        yield Finding(
            "smoothed-with-the-future",
            "The series was smoothed over later values too: the last step of a window holds what is to be forecast.",
            "fault",
            0.96,
            (
                Fact("share of the last step's variance that the targets around it explain", f"{both:.5f}"),
                Fact("those before it alone", f"{before:.3f}"),
            ),
            change="average over past values only (pad on the left), or smooth inside of each window",
            where=case.place(line_of(case, node)) if node is not None else facts(case).place,
            explains=("future-in-window", "target-among-inputs", "overfits", "windows-overlap"),
        )
        return
    if node is not None and any(slides(inputs) for inputs, _ in _ordered(case)):
        yield Finding(
            "smoothed-with-the-future",
            "The series is smoothed over later values too before windows are cut from it: they hold what is to come.",
            "warning",
            0.6,
            (Fact("what looks to both sides", f"`{spelled(node)[:100]}`"),),
            change="average over past values only, or smooth inside of each window",
            where=case.place(line_of(case, node)),
            explains=("future-in-window", "target-among-inputs"),
        )


def _ordered(case: Case) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows (N, T, F) and one number for each that may be in the order of time."""
    every, valid = whole(case), held_out(case)
    pairs = [(every.inputs, every.targets)] if every is not None else []
    if valid is not None and valid.targets is not None and valid.paired:
        pairs.append((valid.inputs, valid.targets))
    for inputs, targets in pairs:
        if not inputs.is_floating_point() or inputs.ndim not in (2, 3) or targets.numel() != len(targets):
            continue
        series = inputs[..., None] if inputs.ndim == 2 else inputs
        if len(series) < WINDOWS or series.shape[1] < 6 or not targets.is_floating_point():
            continue
        yield series[:4000].double(), targets.reshape(-1)[:4000].double()


def _made_of_later(series: Tensor, target: Tensor) -> tuple[float, float] | None:
    """Whether windows follow each other and one of their last numbers is a weighted mean of targets around it."""
    if not slides(series) or not bool(series.isfinite().all() & target.isfinite().all()):
        return None
    near = target.unfold(0, 2 * LAGS + 1, 1)  # the target at LAGS is that of the window in question
    for feature in range(min(series.shape[2], 16)):
        last = series[LAGS : len(series) - LAGS, -1, feature]
        if len(last) < 4 * LAGS or float(last.std()) == 0:
            continue
        alone = torch.corrcoef(torch.cat([near, last[:, None]], 1).T)[-1, :-1].abs()
        if float(alone.max()) > EXACT:
            continue  # it is one of them, and no mean
        both, before = r_squared(near, last), r_squared(near[:, :LAGS], last)
        if both > EXACT and both - before > FUTURE:
            return both, before
    return None


def _centered(case: Case) -> ast.AST | None:
    """Where what a network is called with is smoothed to both sides."""
    tree = case.source.tree
    smoothing = [node for node in calls(tree) if _smooths(node, case)]
    inside = {name for name, body in functions(tree).items() for node in calls(body) if node in smoothing}
    fed = _fed(case)
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Assign, ast.AugAssign)) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if not fed & {name for target in targets for name in _names(target)}:
            continue
        found = [call for call in calls(node.value) if call in smoothing or name_of(call) in inside]
        if found:
            own = functions(tree).get(name_of(found[0]))
            return found[0] if own is None else next(call for call in calls(own) if call in smoothing)
    return None


def _fed(case: Case) -> set[str]:
    """The names that what a network is called with in training comes from."""
    tree, lines = case.source.tree, {f.line[1] for f in facts(case).learning if f.line is not None}
    names: set[str] = set()
    for call in calls(tree):
        if call.lineno in lines:
            names |= {name for argument in (*call.args, *(k.value for k in call.keywords)) for name in _names(argument)}
    while True:
        more = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and names & {n for target in node.targets for n in _names(target)}:
                more |= _names(node.value)
            elif isinstance(node, (ast.For, ast.comprehension)) and names & _names(node.target):
                more |= _names(node.iter)
        if more <= names:
            return names
        names |= more


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _smooths(node: ast.Call, case: Case) -> bool:
    """Whether a call looks to both sides."""
    name, flags = name_of(node), {k.arg: k.value for k in node.keywords}
    centered = isinstance(flags.get("center"), ast.Constant) and flags["center"].value is True  # type: ignore[attr-defined]
    if name in _CENTERED or (name == "rolling" and centered):
        return True
    if name == "convolve" and "mode" in flags:
        return spelled(flags["mode"]).strip("'\"") == "same"
    if name == "pad" and len(node.args) > 1 and isinstance(node.args[1], ast.Tuple) and len(node.args[1].elts) == 2:
        first, second = (spelled(each) for each in node.args[1].elts)
        return first == second and first != "0" and any(True for _ in calls(case.source.tree, frozenset({"convolve"})))
    return False
