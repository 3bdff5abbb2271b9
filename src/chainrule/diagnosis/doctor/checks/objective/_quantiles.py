"""Losses of quantiles that somebody wrote out: the level that each output is drawn to, and the one that was meant."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from torch import Tensor

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.objective._comparisons import Comparison, comparisons, gradients, plain_name
from chainrule.diagnosis.doctor.findings import Fact, Finding

_NEAR = 0.03
"""How near a level that a gradient stands for must be to one that is written: it is exact but for rounding."""
_LEVEL = re.compile(r"(^|_)(q|qs|tau|taus|alpha|quantiles?|levels?|percentiles?|p|prob|target_quantile)$", re.I)
"""Names of a level."""


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
        wanted = _wanted(case, each.batch, columns)
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
            0.94,
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


def _wanted(case: Case, batch: Batch, columns: int) -> list[float] | None:
    """The levels that meet the errors, or, of a single one, the number in the program that is called so."""
    if columns > 1:
        found = next((t for t in _levels(batch) if t.numel() == columns), None)
        return None if found is None else found.reshape(-1).double().tolist()
    written = _named_levels(case.source.tree)
    return written[:1] if len({round(min(level, 1 - level), 6) for level in written}) == 1 else None


def _named_levels(tree: ast.AST) -> list[float]:
    """Numbers between 0 and 1, but a half, that are given to names of levels."""
    pairs: list[tuple[str, ast.AST]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            name = (
                target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
            )
            pairs.append((name, node.value))
        elif isinstance(node, ast.keyword) and node.arg:
            pairs.append((node.arg, node.value))
        elif isinstance(node, ast.arguments):
            named = [*node.posonlyargs, *node.args]
            pairs += [(a.arg, d) for a, d in zip(named[len(named) - len(node.defaults) :], node.defaults)]
    return [
        float(value.value)
        for name, value in pairs
        if _LEVEL.search(name) and isinstance(value, ast.Constant) and isinstance(value.value, float)
        and 0 < value.value < 1 and value.value != 0.5
    ]  # fmt: skip


def _levels(batch: Batch) -> Iterator[Tensor]:
    """Tensors of numbers between 0 and 1 that somebody wrote, and that meet the errors."""
    for operation in batch.behind(batch.loss):
        for index in operation.inputs:
            tensor = batch.tape.values[index].tensor
            if index in batch.learned or not batch.is_data(index) or not tensor.is_floating_point():
                continue
            if 2 <= tensor.numel() <= 32 and bool(((tensor > 0) & (tensor < 1)).all()):
                yield tensor
