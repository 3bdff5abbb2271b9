"""Losses of quantiles that somebody wrote out: the level that each output is drawn to, and the one that was meant."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from torch import Tensor

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import Function, calls, functions, name_of
from chainrule.diagnosis.doctor.checks.objective._comparisons import Comparison, comparisons, gradients, plain_name
from chainrule.diagnosis.doctor.findings import Fact, Finding

_NEAR = 0.03
"""How near a level that a gradient stands for must be to one that is written: it is exact but for rounding."""
_LEVEL = re.compile(r"(^|_)(q|tau|quantile|percentile)$", re.I)
"""Names of a level. An alpha is as often the share that may lie beyond it."""


@check("quantiles-exchanged")
def exchanged_quantiles(case: Case) -> Iterator[Finding]:
    """The level that each output is drawn to, by the gradients above and below the target, beside those written."""
    for each in comparisons(case)[:1]:
        if each.kind != "own" or plain_name(each.criterion.operation) not in ("-", "sub", "rsub"):
            return
        target, prediction = each.target, each.prediction
        if target is None or prediction.ndim not in (1, 2) or len(target) != len(prediction):
            return
        columns = prediction.shape[1] if prediction.ndim == 2 else 1
        drawn = _drawn(case, each, columns)
        wanted = _wanted(case, each, columns)
        if drawn is None or wanted is None:
            return
        right = all(abs(a - b) < _NEAR for a, b in zip(drawn, wanted))
        turned = all(abs(a - (1 - b)) < _NEAR for a, b in zip(drawn, wanted))
        if right or not turned:
            return
        yield Finding(
            "quantiles-exchanged",
            "Each output is drawn to the other quantile: the sign of the difference is turned round."
            if columns > 1
            else f"The output is drawn to the quantile {drawn[0]:.2g} instead of {wanted[0]:.2g}: exchanged weights.",
            "fault",
            0.94 if columns > 1 else 0.85,
            (
                Fact("levels as written", ", ".join(f"{v:.2g}" for v in wanted)),
                Fact("levels that the gradients draw to", ", ".join(f"{v:.2g}" for v in drawn)),
            ),
            "error = target - prediction; maximum(q * error, (q - 1) * error).",
            each.where(case),
            explains=("loss-with-wrong-sign", "underfits"),
        )
        return


def _drawn(case: Case, each: Comparison, columns: int) -> list[float] | None:
    """By how much harder each output is pulled up than down; None where the pull depends on the distance."""
    gradient = gradients(each.batch, case.rehearsal.start(), [each.criterion.prediction])
    if each.criterion.prediction not in gradient:
        return None
    slope = gradient[each.criterion.prediction].double().reshape(-1, columns)
    drawn = []
    for k in range(columns):
        up, down = -slope[:, k].clamp_max(0), slope[:, k].clamp_min(0)
        if not bool((up > 0).any()) or not bool((down > 0).any()):
            return None
        pulls = [side[side > 0] for side in (up, down)]
        rise, fall = (float(pull.median()) for pull in pulls)
        if any(float((pull - pull.median()).abs().max()) > _NEAR * float(pull.median()) for pull in pulls):
            return None
        drawn.append(rise / (rise + fall))
    return drawn


def _wanted(case: Case, each: Comparison, columns: int) -> list[float] | None:
    """The levels that meet the errors, or, of a single one, the number in the loss that is called so."""
    if columns > 1:
        found = next((t for t in _levels(each.batch) if t.numel() == columns), None)
        return None if found is None else found.reshape(-1).double().tolist()
    return _named_level(case, each)


def _named_level(case: Case, each: Comparison) -> list[float] | None:
    """The number that a level in the loss's own expression is given; None where `1 - level` stands there as well."""
    line, tree = each.batch.line(each.criterion.operation), case.source.tree
    if line is None or case.source.path is None:
        return None
    around = [f for f in functions(tree).values() if f.lineno <= line[1] <= (f.end_lineno or f.lineno)]
    inside: list[ast.AST] = [max(around, key=lambda f: f.lineno)] if around else []
    inside = inside or [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and n.lineno == line[1]]
    names = {name_of(n) for body in inside for n in ast.walk(body) if isinstance(n, (ast.Name, ast.Attribute))}
    names = {name for name in names if _LEVEL.search(name)}
    if len(names) != 1 or any(_is_rest(n) for body in inside for n in ast.walk(body)):
        return None
    written = {value for name, value in _given(tree) if name in names}
    if around and not _by_name_only(tree, max(around, key=lambda f: f.lineno), next(iter(names))):
        return None
    return [*written] if len(written) == 1 else None


def _by_name_only(tree: ast.AST, function: Function, name: str) -> bool:
    """Whether nobody gives a function its parameter of this name by place; True where it has none."""
    named = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    return name not in named or all(
        len(call.args) <= named.index(name) for call in calls(tree, frozenset({function.name}))
    )


def _is_rest(node: ast.AST) -> bool:
    """Whether an expression is what is left of one: `1 - q` of a name that is a level."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub) or not isinstance(node.left, ast.Constant):
        return False
    return node.left.value == 1 and _LEVEL.search(name_of(node.right)) is not None


def _given(tree: ast.AST) -> Iterator[tuple[str, float]]:
    """Numbers between 0 and 1, but a half, and the names that they are given to."""
    pairs: list[tuple[str, ast.AST]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            pairs.append((name_of(node.targets[0]), node.value))
        elif isinstance(node, ast.keyword) and node.arg:
            pairs.append((node.arg, node.value))
        elif isinstance(node, ast.arguments):
            named = [*node.posonlyargs, *node.args]
            pairs += [(a.arg, d) for a, d in zip(named[len(named) - len(node.defaults) :], node.defaults)]
    for name, value in pairs:
        number = value.value if isinstance(value, ast.Constant) else None
        if isinstance(number, float) and 0 < number < 1 and number != 0.5:
            yield name, number


def _levels(batch: Batch) -> Iterator[Tensor]:
    """Tensors of numbers between 0 and 1 that somebody wrote, and that meet the errors."""
    for operation in batch.behind(batch.loss):
        for index in operation.inputs:
            tensor = batch.tape.values[index].tensor
            if index in batch.learned or not batch.is_data(index) or not tensor.is_floating_point():
                continue
            if 2 <= tensor.numel() <= 32 and bool(((tensor > 0) & (tensor < 1)).all()):
                yield tensor
