"""Dropout that leaves nothing, and batch normalization whose statistics are not those of the data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from chainrule.analysis._replay import Action, leave_out
from chainrule.analysis._tape import Operation, Ref
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._rehearse import State
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning._loop import number
from chainrule.diagnosis.doctor.checks.learning._modes import dropping
from chainrule.diagnosis.doctor.checks.learning._trials import FLAT, Trials, trials
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

STRONG = 0.75
"""Probability to drop from which on it is asked whether that to keep was meant: 0.5 is in use, 0.8 hardly."""
USUAL = 0.1
"""Probability that is tried instead."""
FEW = 4
"""Numbers from which a mean and a spread cannot be told."""
MOMENTUM = (0.01, 0.5)
"""Share of the newest batch in the running statistics: below they never arrive, above they are the last batch's."""

Actions = Mapping[int, Mapping[int, Action]]


@check("dropout-too-strong", experiment=True)
def dropout_too_strong(case: Case) -> Iterator[Finding]:
    """So much is dropped that a few steps with less come further, asked without dropout, than the whole training."""
    found = trials(case)
    drops = [dropping(batch.tape) for batch in case.batches]
    strongest = max((p for each in drops for _, p in each), default=0.0)
    if strongest < STRONG or not found.possible:
        return
    less = {i: {o.index: _weaker for o, _ in each} for i, each in enumerate(drops)}
    without = {i: {o.index: leave_out for o, _ in each} for i, each in enumerate(drops)}
    state = found.rehearsal.start()
    steps = found.pass_steps * found.passes
    found.rehearsal.train(steps, state=state, actions=less, batches=found.batches[: found.pass_steps])
    whole, few = _asked(found, found.rehearsal.fresh(case.final), without), _asked(found, state, without)
    helps = math.isfinite(few) and few < 0.75 * whole
    operation, batch = next((each[0][0], b) for each, b in zip(drops, case.batches) if each)
    yield Finding(
        "dropout-too-strong",
        f"Dropout sets {strongest:.0%} of the values to zero: hardly anything gets through.",
        "fault" if helps else "note",
        0.93 if helps else 0.4,
        (
            Fact("probability to drop", f"{strongest:g} (usual: 0.1 to 0.5)"),
            Fact("loss without dropout, after the whole training", number(whole)),
            Fact(f"the same after {steps} steps with a probability of {USUAL:g}", number(few)),
        ),
        f"The probability to drop, not to keep: {1 - strongest:.2g}.",
        case.place(batch.line(operation)),
        Tried(f"dropout of {USUAL:g}", f"loss {number(whole)}", f"loss {number(few)}", helps),
        ("rate-too-low", "underfits", "loss-does-not-move") if helps else (),
    )


def _weaker(*arguments: Any, **options: Any) -> Tensor:
    return F.dropout(arguments[0], USUAL)


def _asked(found: Trials, state: State, actions: Actions) -> float:
    """The mean loss of the recorded batches with some operations replaced; the state's buffers are used up."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        chosen = found.batches[: found.pass_steps]
        return sum(float(found.rehearsal.loss(i, state, actions=actions.get(i)).sum()) for i in chosen) / len(chosen)


@check("batch-norm-tiny-batch", "batch-norm-statistics-off", experiment=True)
def batch_norm(case: Case) -> Iterator[Finding]:
    """The loss with running statistics against that with the batch's own, with the last weights."""
    found = trials(case)
    norms = [_norms(batch) for batch in case.batches]
    if not any(norms) or not case.batches:
        return
    batch, operation = next((b, each[0]) for b, each in zip(case.batches, norms) if each)
    counts = [_count(b, o) for b, each in zip(case.batches, norms) for o in each]
    fewest, where = min(counts), case.place(batch.line(operation)) or operation.module
    share = float(_argument(operation, "momentum", 0.1) or 0.1)
    running = {i: {o.index: _running for o in each} for i, each in enumerate(norms)}
    if not found.possible:
        return
    own = _asked(found, found.rehearsal.fresh(case.final), {})
    now = _asked(found, found.rehearsal.fresh(case.final), running)
    off = not math.isfinite(now) or (now > 2 * own and now - own > 0.3 * abs(found.start))
    facts = (
        Fact("loss of training batches with their own statistics", number(own)),
        Fact("the same with the running statistics, as in evaluation", f"{number(now)} (usual: about the same)"),
        Fact("numbers for each mean and spread, momentum", f"{fewest}, {share:g} (usual: 32 and more, 0.1)"),
    )
    if fewest <= FEW:
        tried = _otherwise(found, norms) if not found.learned else None
        nowhere = fewest <= 2 and found.whole_drop < FLAT * abs(found.start)  # of two numbers only the order is left
        costs = off or nowhere or (tried is not None and tried.helped)
        yield Finding(
            "batch-norm-tiny-batch",
            f"Batch normalization takes its statistics from {fewest} numbers.",
            "fault" if costs else "warning" if fewest <= 2 else "note",
            0.93 if nowhere or (tried and tried.helped) else 0.85 if off else 0.55,
            facts,
            "Larger batches, or GroupNorm or LayerNorm.",
            where,
            tried,
            ("batch-norm-statistics-off", *(("rate-too-high", "dead-units", "underfits") if costs else ())),
        )
    elif off:
        odd = not MOMENTUM[0] <= share <= MOMENTUM[1]
        yield Finding(
            "batch-norm-statistics-off",
            "The running statistics of batch normalization are not the data's.",
            "fault" if odd else "note",
            0.9 if odd else 0.5,
            facts,
            "momentum=0.1 (the share of the newest batch; other libraries have 1 minus it)."
            if odd
            else "Longer training, or a last pass over the data in training mode without steps.",
            where,
        )


def _otherwise(found: Trials, norms: list[list[Operation]]) -> Tried | None:
    """Whether the recorded steps, each example normalized by itself, come much further than the whole training."""
    if not found.affordable(found.passes):
        return None
    alone = {i: {o.index: _by_itself for o in each} for i, each in enumerate(norms)}
    run, used = found.run(actions=alone, passes=found.passes), found.run(passes=found.passes)
    helps = found.beats_all(run) and run.drop > 1.5 * max(used.drop, 0.0)
    words = found.words(used.end, used.steps), found.words(run.end, run.steps)
    return Tried("each example normalized by itself", *words, helps)


def _by_itself(*arguments: Any, **options: Any) -> Tensor:
    given = dict(zip(_NAMES, arguments)) | options
    return F.group_norm(given["input"], 1, given.get("weight"), given.get("bias"))


_NAMES = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")


def _argument(operation: Operation, name: str, default: Any) -> Any:
    given = dict(zip(_NAMES, operation.arguments)) | operation.options
    return given.get(name, default)


def _norms(batch: Batch) -> list[Operation]:
    """Batch normalizations by the batch's own statistics that keep running ones."""
    return [
        operation
        for operation in batch.tape.operations
        if operation.function == "batch_norm"
        and _argument(operation, "training", False) is True
        and isinstance(_argument(operation, "running_mean", None), Ref)
    ]


def _count(batch: Batch, operation: Operation) -> int:
    shape = batch.tape.values[operation.inputs[0]].shape
    return math.prod(shape) // max(1, shape[1]) if len(shape) > 1 else 1


def _running(*arguments: Any, **options: Any) -> Tensor:
    given = dict(zip(_NAMES, arguments)) | options
    return F.batch_norm(**{**given, "training": False})
