"""Outputs between bounds, targets beyond them."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import BURST, STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._comparisons import (
    BINARY,
    PLAIN,
    Comparison,
    changes,
    comparisons,
    plain_name,
)
from chainrule.diagnosis.doctor.checks.objective._normalized import tried_without
from chainrule.diagnosis.doctor.findings import Fact, Finding

_BEYOND = 0.05
"""Share of targets beyond the bounds from which it is a fault: a stray value is none."""
_MARGIN = 0.02
"""How far beyond, in spreads of the target: less is rounding, or a target such as 1.0 for a sigmoid."""
_BOUNDS = {
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu": (0.0, torch.inf),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, torch.inf),
    "exp": (0.0, torch.inf),
    "abs": (0.0, torch.inf),
    "square": (0.0, torch.inf),
    "log_softmax": (-torch.inf, 0.0),
    "logsigmoid": (-torch.inf, 0.0),
}
"""Between which numbers a function's values lie."""


def _beyond_probabilities(case: Case, each: Comparison) -> Finding | None:
    """Targets of a binary cross entropy that are no probabilities."""
    target = each.target
    if each.kind not in BINARY or target is None or not target.numel():
        return None
    share = float(((target < -1e-3) | (target > 1 + 1e-3)).float().mean())
    if share < 0.01:
        return None
    return Finding(
        "output-cannot-reach-target",
        "binary cross entropy takes targets from 0 to 1; these are not.",
        "fault",
        0.93,
        (
            Fact("targets", f"from {float(target.min()):.4g} to {float(target.max()):.4g}"),
            Fact("targets beyond the bounds", f"{share:.0%}"),
        ),
        "Scale the targets to 0 .. 1, or take a squared error.",
        each.where(case),
        explains=(*STANDSTILL, *BURST, "target-not-scaled", "labels-out-of-range", "loss-with-wrong-sign"),
    )


@check("output-cannot-reach-target")
def unreachable_targets(case: Case) -> Iterator[Finding]:
    """The bounds that the last activation sets, and the share of targets outside of them."""
    for each in comparisons(case):
        if (found := _beyond_probabilities(case, each)) is not None:
            yield found
            return
        subtracted = each.kind == "own" and plain_name(each.criterion.operation) in ("-", "sub")
        target = each.target
        if not (each.kind in PLAIN or subtracted) or target is None or target.shape != each.prediction.shape:
            continue
        bounds = _bounds(each)
        if bounds is None:
            continue
        operation, low, high = bounds
        spread = float(target.float().std()) if target.numel() > 1 else 0.0
        beyond = (target < low - _MARGIN * spread) | (target > high + _MARGIN * spread)
        share = float(beyond.float().mean())
        if share < _BEYOND:
            continue
        name = plain_name(operation)
        yield Finding(
            "output-cannot-reach-target",
            f"The output ends in {name} and lies between {low:g} and {high:g}; {share:.0%} of the targets do not.",
            "fault",
            0.96,
            (
                Fact("targets", f"from {float(target.min()):.4g} to {float(target.max()):.4g}"),
                Fact("targets beyond the bounds", f"{share:.0%}"),
                Fact("layer", operation.module or "outside of the network"),
            ),
            f"No {name} at the end (or targets scaled to its bounds).",
            each.where(case, operation),
            tried_without(case, each, operation, f"{name} at the end left out"),
            explains=(*STANDSTILL, "target-not-scaled"),
        )
        return


def _bounds(each: Comparison) -> tuple[Operation, float, float] | None:
    """The last activation, and the bounds it sets after what is multiplied and added by numbers."""
    outer: list[Operation] = []
    for operation in changes(each.batch, each.criterion.prediction):
        name = plain_name(operation)
        if name in _BOUNDS:
            low, high = _BOUNDS[name]
            for later in reversed(outer):
                ends = sorted(_affine(later, end) for end in (low, high))
                low, high = ends[0], ends[1]
            return operation, low, high
        if name in ("clamp", "clip") and len(operation.inputs) == 1:
            low, high = _clamped(operation)
            for later in reversed(outer):
                low, high = sorted(_affine(later, end) for end in (low, high))
            return operation, low, high
        number = [a for a in operation.arguments if isinstance(a, (int, float)) and not isinstance(a, bool)]
        if name not in ("*", "+", "-", "/") or len(operation.inputs) != 1 or len(number) != 1:
            return None
        outer.append(operation)
    return None


def _clamped(operation: Operation) -> tuple[float, float]:
    """The bounds that a clamp is given."""
    plain = [a for a in operation.arguments if a is None or isinstance(a, (int, float))]
    given = dict(zip(("min", "max"), plain)) | {k: v for k, v in operation.options.items() if k in ("min", "max")}
    low, high = given.get("min"), given.get("max")
    return (-torch.inf if low is None else float(low)), (torch.inf if high is None else float(high))


def _affine(operation: Operation, end: float) -> float:
    """What an operation with one number makes of an end of an interval."""
    first, second = [end if not isinstance(a, (int, float)) else float(a) for a in operation.arguments[:2]]
    name = plain_name(operation)
    if operation.target.__name__ in ("__rsub__", "__rtruediv__", "__rdiv__"):
        first, second = second, first
    if name == "+":
        return first + second
    if name == "-":
        return first - second
    if name == "*":
        return first * second
    return first / second if second else torch.inf
