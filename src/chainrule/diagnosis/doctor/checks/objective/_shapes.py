"""Shapes that meet without an error, and are not what was meant."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._comparisons import (
    CLASSES,
    Comparison,
    affordable,
    comparisons,
    moves,
    plain_name,
)
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

_POINTWISE = ("squared error", "absolute error", "binary cross entropy", "Poisson likelihood")
_OWN = frozenset({"-", "sub", "rsub", "*", "/", "+", "**", "maximum", "minimum", "eq"})


@check("loss-broadcasts")
def broadcast_in_loss(case: Case) -> Iterator[Finding]:
    """Predictions and targets whose shapes differ, and which torch spreads over each other."""
    for each in comparisons(case):
        target = each.target
        if target is None:
            continue
        given, wanted = tuple(each.prediction.shape), tuple(target.shape)
        if given != wanted and each.kind in _POINTWISE[:2] and _one_for_several(given, wanted):
            yield _shared_target(case, each, given, wanted)
            continue
        if given == wanted or not _spreads(each, given, wanted):
            continue
        pairs = "x".join(map(str, _together(given, wanted)))
        yield Finding(
            "loss-broadcasts",
            f"Predictions {given} meet targets {wanted}: each prediction is compared with each target.",
            "fault",
            0.97,
            (
                Fact("predictions", str(given)),
                Fact("targets", str(wanted)),
                Fact("compared", f"{pairs} pairs, not {each.prediction.numel()}"),
            ),
            "prediction.squeeze(-1), or target.unsqueeze(-1): equal shapes.",
            each.where(case),
            explains=(*STANDSTILL, "metric-broadcasts"),
        )


def _one_for_several(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether one target stands for several predictions of an example."""
    same = len(given) == len(wanted) > 1 and given[0] == wanted[0] > 1
    return same and _count(wanted) == wanted[0] and _count(given) > given[0]


def _shared_target(case: Case, each: Comparison, given: tuple[int, ...], wanted: tuple[int, ...]) -> Finding:
    return Finding(
        "loss-broadcasts",
        f"Predictions {given} meet targets {wanted}: all outputs of an example are compared with one target.",
        "fault",
        0.9,
        (Fact("predictions", str(given)), Fact("targets", str(wanted))),
        "One output (Linear(..., 1)), or as many targets as outputs.",
        each.where(case),
        explains=STANDSTILL,
    )


def _together(given: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    longest = max(len(given), len(wanted))
    padded = [(1,) * (longest - len(shape)) + shape for shape in (given, wanted)]
    return tuple(max(pair) for pair in zip(*padded))


def _count(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


def _spreads(each: Comparison, given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether both grow; for an own criterion only where as many predictions as targets meet."""
    named = each.kind in _POINTWISE or each.kind.startswith("binary")
    own = each.kind == "own" and plain_name(each.criterion.operation) in _OWN
    together = _count(_together(given, wanted))
    if not (named or own) or together <= max(_count(given), _count(wanted)):
        return False
    return named or (_count(given) == _count(wanted) and len(given) != len(wanted))


@check("scores-reshaped-in-loss")
def reshaped_scores(case: Case) -> Iterator[Finding]:
    """Axes exchanged by `view` or `reshape` between the scores and the criterion."""
    for each in comparisons(case):
        for operation in moves(each.batch, each.criterion.prediction):
            if operation.function not in ("view", "reshape"):
                continue
            before = each.batch.tape.values[operation.inputs[0]].shape
            after = each.batch.tape.values[operation.results[0]].shape
            if not _mixes(each, before, after):
                continue
            yield Finding(
                "scores-reshaped-in-loss",
                f"Scores {before} are made {after} by {operation.function}, which mixes places and classes.",
                "fault",
                0.97,
                (Fact("before", str(before)), Fact("after", str(after)), Fact("order of the numbers", "unchanged")),
                "transpose or permute (or reshape only axes that stand beside each other).",
                each.where(case, operation),
                _tried(case, each, operation, before, after),
                explains=(*STANDSTILL, "axes-exchanged", "batch-and-time-exchanged", "target-seen"),
            )


def _mixes(each: Comparison, before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    real, made = [s for s in before if s > 1], [s for s in after if s > 1]
    if len(real) > 1 and real != made and sorted(real) == sorted(made):
        return True
    if each.kind not in CLASSES or len(after) != 2 or len(before) < 3:
        return False
    return before[-1] != after[-1] and before[1] == after[-1]  # (N, C, H, W) to (-1, C) without moving C last


def _tried(
    case: Case, each: Comparison, operation: Operation, before: tuple[int, ...], after: tuple[int, ...]
) -> Tried | None:
    if case.left < 2.0 or len(before) != len(after) or len(set(before)) != len(before) or not case.rehearsal.possible:
        return None
    order = [before.index(size) for size in after]
    steps = affordable(case, min(24, len(case.batches)))
    actions = {}
    for index, batch in enumerate(case.batches):
        same = [
            o
            for o in batch.tape.operations
            if o.function == operation.function
            and batch.tape.values[o.inputs[0]].shape == before
            and batch.tape.values[o.results[0]].shape == after
        ]
        actions[index] = {o.index: lambda tensor, *sizes, **options: tensor.permute(order) for o in same}
    was, now = case.rehearsal.train(steps), case.rehearsal.train(steps, actions=actions)
    if not was or not now:
        return None
    change = f"permute({', '.join(map(str, order))}) in its place"
    return Tried(change, f"loss {was[-1]:.4g} after {steps} steps", f"loss {now[-1]:.4g}", now[-1] < was[-1])
