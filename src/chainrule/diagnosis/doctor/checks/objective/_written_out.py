"""Losses that somebody wrote out: a variance that nothing keeps small; targets that stay as they are."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.analysis._tape import Operation, Ref
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import BURST, STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._answers import passes
from chainrule.diagnosis.doctor.checks.objective._comparisons import comparisons, gradients, place, plain_name
from chainrule.diagnosis.doctor.checks.objective._terms import trainable
from chainrule.diagnosis.doctor.findings import Fact, Finding

_ENOUGH = 64
"""Numbers from which one sign for all of them is no chance."""
_ONE_SIGN = 0.995
"""Share of the gradients that point the same way: where a variance is weighed against errors, both ways are seen."""
_PARTS = frozenset({"index", "select", "narrow", "chunk", "split", "unbind", "squeeze", "unsqueeze", "view", "reshape"})
"""What takes a part of an output."""
_BLOCKS = 4
"""Changes of value in a row of targets, up to which they were made on purpose: real ones, then drawn ones."""


@check("variance-unpunished")
def free_variance(case: Case) -> Iterator[Finding]:
    """An output whose exponential divides the errors: does anything keep it from growing?"""
    start = case.rehearsal.start()
    ups: dict[str, list[Tensor]] = {}
    found: dict[str, tuple[Batch, Operation]] = {}
    for batch in case.batches[:4]:
        if any(criterion.kind not in ("own",) for criterion in batch.criteria):
            return
        inner = [o for o in batch.behind(batch.loss) if plain_name(o) in ("exp", "softplus")]
        for operation in inner:
            given = [i for i in operation.inputs if i in batch.learned]
            if len(given) != 1 or given[0] not in batch.learned:
                continue
            way = _way(batch, _negated(batch, given[0]))
            if way is None:
                continue
            output, moved = way
            for state in (start, trainable(case.final, start)):
                gradient = gradients(batch, state, [output]).get(output)
                if gradient is not None:
                    name = place(case, batch, operation)
                    ups.setdefault(name, []).append(_followed(gradient, moved).reshape(-1))
                    found[name] = (batch, operation)
    for name, parts in ups.items():
        gradient = torch.cat(parts)
        gradient = gradient[gradient != 0]
        if len(gradient) < _ENOUGH or not bool(gradient.isfinite().all()):
            continue
        share = float((gradient > 0).double().mean())
        if max(share, 1 - share) < _ONE_SIGN:
            continue
        batch, operation = found[name]
        yield Finding(
            "variance-unpunished",
            "The spread that the network gives is never held back: the loss falls when it grows, whatever is said.",
            "fault",
            0.85,
            (Fact("gradients at it that point the same way", f"{max(share, 1 - share):.0%} of {len(gradient)}"),),
            "The whole likelihood: 0.5 * (error**2 * exp(-log_var) + log_var).",
            place(case, batch, operation),
            explains=(*STANDSTILL, *BURST),
        )
        return


def _negated(batch: Batch, value: int) -> int:
    """What an exponential is given, behind a minus or a number as factor."""
    made = batch.made_by(value)
    while made is not None and plain_name(made) in ("neg", "*", "mul", "/", "clamp") and len(made.inputs) == 1:
        value = made.inputs[0]
        made = batch.made_by(value)
    return value


def _way(batch: Batch, value: int) -> tuple[int, list[tuple[Operation, int]]] | None:
    """The network's output that a value is a part of, and how it is taken from it; None where numbers are changed."""
    taken: list[tuple[Operation, int]] = []
    while value not in batch.outputs:
        made = batch.made_by(value)
        if made is None or len(made.inputs) != 1 or plain_name(made) not in _PARTS:
            return None
        taken.append((made, made.results.index(value)))
        value = made.inputs[0]
    return value, taken[::-1]


def _followed(gradient: Tensor, taken: list[tuple[Operation, int]]) -> Tensor:
    """The part of a gradient at the output that belongs to what was taken from it."""
    for operation, place_of in taken:
        given = [gradient if isinstance(a, Ref) else a for a in operation.arguments]
        made = operation.target(*given, **operation.options)
        gradient = made if isinstance(made, Tensor) else made[place_of]
    return gradient


@check("same-targets-every-step")
def same_targets(case: Case) -> Iterator[Finding]:
    """Targets that stay as they are from batch to batch, while the inputs change."""
    seen: list[tuple[Tensor, Tensor]] = []
    for each in comparisons(case):
        target, inputs = each.target, each.batch.inputs
        if each.batch.criteria[0] is not each.criterion or target is None or not inputs:
            continue
        if each.prediction.ndim == 2 and each.prediction.shape[0] == each.prediction.shape[1]:
            continue  # similarities of a batch with itself: its targets are places
        seen.append((inputs[0], target))
    if _stands_still(seen):
        yield _still(comparisons(case)[0].where(case), "training")
        return
    for answers in passes(case):
        met = [(a, next(iter(a.meetings), None)) for a in answers]
        pairs = [(a.seen.forward.given[0][0], m.truth) for a, m in met if m and a.seen.forward.given]
        if _stands_still([(x, t) for x, t in pairs if isinstance(x, Tensor)]):
            first = next(m for _, m in met if m)
            yield _still(first.where(case), "evaluation")
            return


def _stands_still(seen: list[tuple[Tensor, Tensor]]) -> bool:
    seen = [pair for pair in seen if pair[1].shape == seen[0][1].shape]
    if len(seen) < 3 or seen[0][1].numel() < 8 or len(torch.unique(seen[0][1])) < 2:
        return False
    flat = seen[0][1].reshape(-1)
    counting = not flat.is_floating_point() and bool((flat == torch.arange(len(flat))).all())
    alike = all(torch.equal(target, seen[0][1]) for _, target in seen[1:])
    other = all(x.shape == seen[0][0].shape and not torch.equal(x, seen[0][0]) for x, _ in seen[1:])
    blocks = int((flat[1:] != flat[:-1]).sum()) <= _BLOCKS
    return alike and other and not counting and not blocks


def _still(where: str, when: str) -> Finding:
    return Finding(
        "same-targets-every-step",
        f"In the {when} every batch is compared with the same targets, while its inputs change.",
        "fault",
        0.96,
        (Fact("targets of the first batches", "all alike"), Fact("inputs of the first batches", "different")),
        "Take inputs and targets by the same indices: x[i], y[i].",
        where,
        explains=(*STANDSTILL, "labels-unrelated", "metric-divided-wrongly", "overfits"),
    )
