"""Which operation was the first that gave no finite number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.analysis._replay import play
from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._rehearse import State
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import BURST, STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._comparisons import leaves, place, plain_name
from chainrule.diagnosis.doctor.findings import Fact, Finding

_STEPS = 160
"""Steps after which we look no further."""
_ORDINARY = 2_000.0
"""Scores up to here come from a network that is not bursting; larger ones have another cause, such as the rate."""


class _Kind(NamedTuple):
    label: str
    title: str
    change: str


_EXP = _Kind(
    "exponential-overflows",
    "exp of a large number overflows to inf, and inf / inf is nan.",
    "cross_entropy, log_softmax or logsumexp of the scores: they subtract the largest first.",
)
_LOG = _Kind(
    "log-of-zero",
    "The logarithm of a number that has become zero (or less) is not finite.",
    "log_softmax or logsigmoid of the scores; else log(x.clamp_min(1e-8)).",
)
_DIVIDED = _Kind(
    "division-by-zero",
    "A division by zero.",
    "Add a small number (1e-8) to the divisor, or divide only where it is not zero.",
)
_ROOT = _Kind(
    "root-at-zero",
    "A square root (or norm) at zero has an infinite slope: its gradient is nan.",
    "sqrt(x + 1e-8); torch.nn.functional.normalize and pairwise_distance have an eps.",
)
_MASKED = _Kind(
    "softmax-of-nothing",
    "A softmax over places that are all masked is nan.",
    "Leave at least one place unmasked in each row, or leave such rows out.",
)
_SOFTMAX = frozenset({"softmax", "log_softmax", "scaled_dot_product_attention", "multi_head_attention_forward"})
_KINDS = {
    **dict.fromkeys(("exp", "expm1", "exp2", "cosh", "sinh"), _EXP),
    **dict.fromkeys(("log", "log2", "log10", "log1p", "xlogy", "logit", "lgamma"), _LOG),
    **dict.fromkeys(("/", "div", "divide", "reciprocal", "true_divide", "std", "var", "std_mean"), _DIVIDED),
    **dict.fromkeys(
        (
            "sqrt",
            "rsqrt",
            "norm",
            "vector_norm",
            "linalg_vector_norm",
            "linalg_norm",
            "**",
            "pow",
            "cdist",
            "acos",
            "asin",
        ),
        _ROOT,
    ),
}


@check(
    "exponential-overflows",
    "log-of-zero",
    "division-by-zero",
    "root-at-zero",
    "softmax-of-nothing",
    experiment=True,
)
def first_not_finite(case: Case) -> Iterator[Finding]:
    """Takes the recorded steps until the loss is not finite, and walks back from there to where it began."""
    if not any(not math.isfinite(loss) for loss in case.losses) or not case.batches or _bad_data(case.batches[0]):
        return
    found = _in_steps(case)
    if found is None:
        return
    batch, operation, known, backward = found
    kind = _KINDS.get(plain_name(operation))
    if plain_name(operation) in _SOFTMAX:
        kind = _MASKED
    if kind is None:
        return
    if plain_name(operation) in ("**", "pow", "rsqrt") and not backward:
        kind = _DIVIDED if _touches_zero(operation, known) else _EXP
    size = max((float(known[i].abs().max()) for i in batch.outputs if i in known and known[i].numel()), default=0.0)
    calm = math.isfinite(size) and size <= _ORDINARY
    bad = next((i for i, loss in enumerate(case.losses) if not math.isfinite(loss)), 0)
    yield Finding(
        kind.label,
        kind.title,
        "fault" if calm else "warning",
        0.95 if calm else 0.55,
        (
            Fact("first loss that is not finite", f"step {bad}"),
            Fact("first operation", plain_name(operation) + (" (its gradient)" if backward else "")),
            Fact("what it was given", _range(operation, known)),
            Fact("largest number that the network gives there", f"{size:.4g}"),
        ),
        kind.change,
        place(case, batch, operation),
        explains=_FOLLOWS if calm else (),
    )


_FOLLOWS = (*BURST, *STANDSTILL, "input-not-finite", "graph-cut")


def _bad_data(batch: Batch) -> bool:
    tensors = [*batch.inputs, *([batch.targets] if batch.targets is not None else [])]
    return any(t.is_floating_point() and not bool(t.isfinite().all()) for t in tensors)


def _range(operation: Operation, known: dict[int, Tensor]) -> str:
    tensors = [known[i] for i in operation.inputs if i in known and known[i].numel()]
    return "; ".join(f"{float(t.min()):.4g} to {float(t.max()):.4g}" for t in tensors[:2])


def _touches_zero(operation: Operation, known: dict[int, Tensor]) -> bool:
    return any(bool((known[i] == 0).any()) for i in operation.inputs if i in known)


def _in_steps(case: Case) -> tuple[Batch, Operation, dict[int, Tensor], bool] | None:
    """The step, operation and values where it begins, and whether it begins on the way back."""
    rehearsal = case.rehearsal
    order = [i for i, turn in enumerate(rehearsal.turns) if not turn.inside]
    state = rehearsal.start()
    losses = rehearsal.train(_STEPS if rehearsal.possible else 1, state=state) if order else []
    if not losses or math.isfinite(losses[-1]):
        return None
    if _all_finite(state):
        batch = case.batches[order[(len(losses) - 1) % len(order)]]
        known = batch.played(state)
        operation = _origin(batch, known)
        return None if operation is None else (batch, operation, known, False)
    before = rehearsal.start()
    if len(losses) > 2:
        rehearsal.train(len(losses) - 2, state=before)
    batch = case.batches[order[max(0, len(losses) - 2) % len(order)]]
    found = _origin_of_gradient(batch, before) if _all_finite(before) else None
    return None if found is None else (batch, *found, True)


def _all_finite(state: State) -> bool:
    return all(bool(t.isfinite().all()) for t in state.values() if t.is_floating_point())


def _origin(batch: Batch, known: dict[int, Tensor]) -> Operation | None:
    """Back from the loss over what is not finite, to the operation whose inputs all are."""
    made = {index: o for o in batch.tape.operations for index in (*o.results, *o.changed)}
    value = batch.loss
    for _ in range(len(made)):
        operation = made.get(value)
        if operation is None:
            return None
        if plain_name(operation) in _SOFTMAX and not _any_nan(operation, known):
            return operation
        worse = [i for i in operation.inputs if i in known and _bad(known[i])]
        worse.sort(key=lambda i: not bool(known[i].isnan().any()))
        if not worse:
            return operation
        value = worse[0]
    return None


def _bad(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and not bool(tensor.isfinite().all())


def _any_nan(operation: Operation, known: dict[int, Tensor]) -> bool:
    """Whether a not finite input is more than a mask of minus infinity."""
    given = [known[i] for i in operation.inputs if i in known and known[i].is_floating_point()]
    return any(bool((t.isnan() | (t == torch.inf)).any()) for t in given) or not any(_bad(t) for t in given)


def _origin_of_gradient(batch: Batch, state: State) -> tuple[Operation, dict[int, Tensor]] | None:
    """The operation whose result has a finite gradient, and its input none."""
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(0)
        known = play(batch.score, leaves(batch, state))
        loss = known[batch.loss].sum()
        reached = [i for i, tensor in known.items() if tensor.requires_grad and tensor.is_floating_point()]
        if not loss.requires_grad or not bool(loss.isfinite()):
            return None
        arrived = dict(zip(reached, torch.autograd.grad(loss, [known[i] for i in reached], allow_unused=True)))
    plain = {index: tensor.detach() for index, tensor in known.items()}
    for operation in reversed(batch.score.needed):
        after = [arrived[i] for i in operation.results if arrived.get(i) is not None]
        before = [arrived[i] for i in operation.inputs if arrived.get(i) is not None]
        fine = bool(after) and all(t is not None and not _bad(t) for t in after)
        if fine and any(t is not None and _bad(t) for t in before):
            return operation, plain
    return None
