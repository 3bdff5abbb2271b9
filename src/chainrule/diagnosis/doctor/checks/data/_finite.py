"""Inputs and targets that are not numbers, that never change, or that are all the same."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE, NOT_FINITE
from chainrule.diagnosis.doctor.checks.data._facts import columns, facts
from chainrule.diagnosis.doctor.findings import Fact, Finding

FEW = 8
"""Examples from which something can be said of what is the same in all of them."""
MANY_CONSTANT = 0.5
"""Share of constant columns from which a table tells little; borders of pictures are fewer."""


@check("input-not-finite")
def input_not_finite(case: Case) -> Iterator[Finding]:
    """Look for nan and inf among what networks are called with."""
    known = facts(case)
    bad = [fed.inputs for fed in known.fed if fed.inputs.is_floating_point() and not bool(fed.inputs.isfinite().all())]
    if not bad:
        seen = [
            f for f in known.learning if f.inputs is not None and not math.isfinite(f.inputs.mean + f.inputs.spread)
        ]
        if seen and case.losses and not all(map(math.isfinite, case.losses)):
            facts_ = (Fact("calls with nan or inf among the inputs", f"{len(seen)} of {len(known.learning)}"),)
            yield _not_finite(case, facts_, broken=True)
        return
    first = bad[0].reshape(len(bad[0]), -1)
    wrong = ~first.isfinite()
    whole = int(wrong.all(0).sum())
    evidence = [
        Fact("recorded steps with nan or inf among the inputs", f"{len(bad)} of {len(known.fed)}"),
        Fact("of the first of them", f"{int(wrong.sum())} of {wrong.numel()} values"),
    ]
    if whole:
        evidence.append(Fact("columns that are so in every example", f"{whole} (a division by a spread of zero?)"))
    yield _not_finite(case, tuple(evidence), broken=not all(map(math.isfinite, case.losses)), divided=bool(whole))


def _not_finite(case: Case, evidence: tuple[Fact, ...], *, broken: bool, divided: bool = False) -> Finding:
    fill = "fill or drop what is missing, with the mean of the training part"
    spread = "add a small number to the spread that you divide by, or drop the columns that never change"
    return Finding(
        "input-not-finite",
        "The network is given nan or inf.",
        "fault" if broken else "note",  # a network may well know how to leave them out
        0.98 if broken else 0.5,
        evidence,
        change=f"{spread if divided else fill}; check it with x.isfinite().all()",
        where=facts(case).place,
        explains=(*NOT_FINITE, "input-not-scaled", "target-not-finite"),
    )


@check("target-not-finite")
def target_not_finite(case: Case) -> Iterator[Finding]:
    """Look for nan and inf among what answers are compared with."""
    bad = [b for b in case.batches if b.targets is not None and not bool(b.targets.isfinite().all())]
    broken = not all(map(math.isfinite, (event.loss for event in case.seen.of(Backward))))
    if not bad or not broken:
        return
    criterion, targets = bad[0].criterion, bad[0].targets
    assert criterion is not None
    assert targets is not None
    yield Finding(
        "target-not-finite",
        "There is nan or inf among the targets.",
        "fault",
        0.97,
        (
            Fact("recorded steps with such targets", f"{len(bad)} of {len(case.batches)}"),
            Fact("of the first of them", f"{int((~targets.isfinite()).sum())} of {targets.numel()} targets"),
        ),
        change="leave those examples out, or look at what made them: the log of zero, a division, a missing entry",
        where=case.place(bad[0].line(criterion.operation)),
        explains=NOT_FINITE,
    )


@check("inputs-all-equal", "constant-columns")
def constant_inputs(case: Case) -> Iterator[Finding]:
    """Look for what is the same in all examples."""
    known = facts(case)
    train = known.train
    rows = torch.cat(known.rows) if known.rows else torch.empty(0)
    if len(rows) >= FEW and len(known.known) == 1:
        yield Finding(
            "inputs-all-equal",
            "All examples that the network is given are the same.",
            "fault",
            0.95,
            (Fact("different examples in training", f"1 of {len(rows)}"),),
            change="look at what stands between the data and the network: an index that stays, an array never filled",
            where=known.place,
            explains=(*LEARNS_LITTLE, "constant-columns", "labels-unrelated", "few-examples-again"),
        )
        return
    if train is None or not train.inputs.is_floating_point() or train.inputs.ndim != 2 or len(train.inputs) < 4 * FEW:
        return
    constant = _constant(train.inputs)
    share = float(constant.double().mean())
    if not bool(constant.any()):
        return
    yield Finding(
        "constant-columns",
        f"{int(constant.sum())} of {len(constant)} columns are the same in all examples.",
        "warning" if share > MANY_CONSTANT and len(constant) < 32 else "note",
        0.4,
        (
            Fact(
                "columns that never change", f"{int(constant.sum())} of {len(constant)} in {len(train.inputs)} examples"
            ),
        ),
        change="drop them, or look at why they say nothing",
        where=known.place,
    )


def _constant(inputs: Tensor) -> Tensor:
    table = columns(inputs)
    return (table.max(0).values == table.min(0).values) & table.isfinite().all(0)
