"""The same few examples again and again, of many."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._rows import row_numbers
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import line_of
from chainrule.diagnosis.doctor.checks.data._facts import Facts, facts, input_value
from chainrule.diagnosis.doctor.checks.data._seeds import seeded_again
from chainrule.diagnosis.doctor.findings import Fact, Finding

AGAIN = 3.0
"""How often each example was met in the mean, from which there was time for others."""
UNUSED = 0.5
"""Share of the data never met, from which somebody did not mean it."""


@check("few-examples-again")
def few_again(case: Case) -> Iterator[Finding]:
    """Count the different examples that training met, and compare with how many there are."""
    known = facts(case)
    total = sum(len(rows) for rows in known.rows)
    if len(case.moves) < 6 or len(known.known) < 1 or total < AGAIN * len(known.known):
        return
    same = _same_batch(known)
    seeded = seeded_again(case) if same else None
    size = _size(case, known) or _windows(case)
    if size is None and same:
        size = _of_validation(case, known, seeded=seeded is not None)
    if size is None or len(known.known) > UNUSED * size:
        return
    yield Finding(
        "few-examples-again",
        f"Training meets the same {len(known.known)} examples again and again, of {size}.",
        "fault",
        0.92 if len(known.known) < 0.2 * size else 0.8,
        (
            Fact("different examples met", f"{len(known.known)} of {size}"),
            Fact("how often each, in the mean", f"{total / len(known.known):.1f}"),
        ),
        change="seed once, before the loop: seeded in each step, the generator draws the same batch every time"
        if seeded
        else "go through the whole loader in each epoch: next(iter(loader)) gives its first batch every time; draw new "
        "indices in each step",
        where=case.place(line_of(case, seeded)) or known.place,
        explains=(
            "overfits",
            "data-not-shuffled",
            "class-missing",
            "more-parameters-than-examples",
            "split-not-shuffled",
            "classes-uneven",
        ),
    )


def _same_batch(known: Facts) -> bool:
    """Whether every step was given the very same examples in the same order."""
    first = known.rows[0]
    return len(known.rows) > 5 and all(torch.equal(rows, first) for rows in known.rows[1:])


def _windows(case: Case) -> int | None:
    """How many windows there are in the series that the sequences of the first steps were cut from."""
    for batch in case.batches[1::-1]:
        place = input_value(batch)
        if place is None or batch.tape.values[place].tensor.ndim != 2:
            continue
        inputs = batch.tape.values[place].tensor
        for value in batch.tape.values:
            if value.operation is not None or len(value.shape) != 1 or value.dtype != inputs.dtype:
                continue
            for rows in (inputs, inputs.T):
                length = rows.shape[1]
                if value.shape[0] < 2 * length * len(rows) or length < 4:
                    continue
                windows = value.tensor.unfold(0, length, 1)
                if all(bool((windows == row).all(1).any()) for row in rows[:3]):
                    return value.shape[0] // length
    return None


def _of_validation(case: Case, known: Facts, *, seeded: bool) -> int | None:
    """How many examples there would be if training had four times as many as the validation, as usual.

    Nothing where the validation is as small as the batch, unless the program seeds what it draws in each step.
    """
    looked = [f.rows for f in case.forwards if not f.learning and f.rows is not None]
    count = len(torch.cat(looked).unique()) if looked else 0
    if seeded or count > 3 * len(known.known):
        return max(4 * count, 4 * len(known.known))
    return None


def _size(case: Case, known: Facts) -> int | None:
    """How many examples there are: of the loader with the batches of training, or of the tensor they are taken from."""
    width = max((len(rows) for rows in known.rows), default=0)
    loaders = [
        made for made in case.seen.loaders if made.get("batch_size") == width and isinstance(made.get("size"), int)
    ]
    plain = [made["size"] for made in loaders if made["sampler"] in ("RandomSampler", "SequentialSampler")]
    if plain:
        return int(plain[0])
    pool = _pool(case)
    rows = None if pool is None else row_numbers(pool)
    if rows is None:
        return None
    looked = [f.rows for f in case.forwards if not f.learning and f.rows is not None]
    evaluated = torch.cat(looked).unique() if looked else torch.empty(0, dtype=torch.int64)
    return int((~torch.isin(rows.unique(), evaluated)).sum()) + int(torch.isin(known.known, evaluated).sum())


def _pool(case: Case) -> Tensor | None:
    """The tensor that the first steps' examples were taken from; None where they come from elsewhere."""
    for batch in case.batches[1::-1]:  # the first tape holds what was done to the data before as well
        place = input_value(batch)
        if place is None:
            return None
        inputs = batch.tape.values[place].tensor
        rows = row_numbers(inputs)
        for value in sorted(batch.tape.values, key=lambda v: v.shape[0] if v.shape else 0):
            alike = (
                value.shape[1:] == tuple(inputs.shape[1:]) and value.dtype == inputs.dtype and value.operation is None
            )
            if not value.shape or not alike or value.shape[0] <= len(inputs):
                continue
            others = row_numbers(value.tensor)
            if rows is not None and others is not None and bool(torch.isin(rows, others).all()):
                return value.tensor
    return None
