"""Examples of the validation that are training examples as well: equal, or nearly."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Forward
from chainrule.diagnosis.doctor._rows import row_numbers
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.data._facts import Facts, Fed, columns, facts, fed_of
from chainrule.diagnosis.doctor.findings import Fact, Finding

FEW = 0.03
"""Share of validation examples that may stand in training as well without anybody's fault: collections hold doubles."""
BITS = 3.0
"""Tokens of one example depend on each other: its bits are at most a third of what its tokens would have alone."""
NEAR = 0.05
"""Distance to the nearest training example over the usual distance to it, below which two are nearly equal."""


@check("validation-among-training")
def validation_among_training(case: Case) -> Iterator[Finding]:
    """Look for examples of the evaluation that training was given as well."""
    known = facts(case)
    if not len(known.known) or known.train is None or not known.train.inputs.ndim:
        return
    shares = [(f, share) for f in _looked_at(known) if (share := _share(f, known)) is not None]
    partly = [(f, share) for f, share in shares if FEW < share < 0.99 and not _of_everything(f, known)]
    fresh = [f for f, share in shares if share <= FEW]
    natural = natural_doubles(known.train.inputs, len(known.known)) if known.train.inputs.ndim > 1 else 0.0
    if not known.train.inputs.is_floating_point():
        natural = max(natural, 0.7 * _doubled(known))
    if partly and not (fresh and len(partly) < 0.5 * len(shares)):
        rows = torch.cat([f.rows for f, _ in partly if f.rows is not None])
        share = float(torch.isin(rows.unique(), known.known).double().mean())
        if share > max(FEW, 3 * natural):
            yield _overlap(case, share, len(rows.unique()), natural)
        return
    whole = [f for f, share in shares if share >= 0.99]
    if whole and not fresh and not partly and _called_validation(case) and natural < 0.3:
        yield _overlap(case, 1.0, len(torch.cat([f.rows for f in whole if f.rows is not None]).unique()), natural)


def _doubled(known: Facts) -> float:
    """The share of training examples that stand in training more than once: such are in any part of the same texts."""
    if not known.rows:
        return 0.0
    _, counts = torch.cat(known.rows).unique(return_counts=True)
    usual = max(1.0, float(counts.double().median()))
    return float(counts[counts >= 1.5 * usual].sum()) / float(counts.sum())


def _of_everything(forward: Forward, known: Facts) -> bool:
    """Whether a call was given all there is, to be split afterwards: nothing was compared with all of its answers."""
    if forward.rows is None or float(torch.isin(known.known, forward.rows).double().mean()) < 0.95:
        return False
    passed = [seen for each in known.case.evaluations for seen in each if seen.forward.rows is not None]
    alike = [fed_of(s) for s in passed if s.forward.rows is not None and torch.equal(s.forward.rows, forward.rows)]
    return not any(fed is not None and fed.paired for fed in alike)


def _looked_at(known: Facts) -> list[Forward]:
    network = known.case.network
    return [
        f for f in known.case.forwards if not f.grad and f.module is network and f.rows is not None and len(f.rows) > 3
    ]


def _share(forward: Forward, known: Facts) -> float | None:
    learned = next((f.inputs for f in known.learning if f.inputs is not None), None)
    if forward.rows is None or forward.inputs is None or learned is None:
        return None
    if len(forward.inputs.shape) < 2 and len(forward.rows) == forward.inputs.shape[0]:  # else bags of several each
        return None
    return float(torch.isin(forward.rows, known.known).double().mean())


def _called_validation(case: Case) -> bool:
    words = ("valid", "test", "held", "holdout", "unseen")
    return any(word in case.source.text.lower() for word in words)


def natural_doubles(inputs: Tensor, count: int) -> float:
    """The share of examples of this kind that one would find among `count` others by chance.

    Short texts and tables of few values have doubles by nature; measurements have none.
    """
    table = columns(inputs[:1000])
    bits = 0.0
    for column in range(min(table.shape[1], 256)):
        _, counts = table[:, column].unique(return_counts=True)
        shares = counts.double() / len(table)
        bits += float(-(shares * shares.log2()).sum())
    bits *= table.shape[1] / min(table.shape[1], 256)
    distinct = len(table.reshape(-1)[:4096].unique())
    whole = not inputs.is_floating_point()
    effective = bits / BITS if whole or distinct < 32 else bits
    return min(1.0, count * 2.0 ** -min(effective, 60.0))


def _overlap(case: Case, share: float, count: int, natural: float) -> Finding:
    known = facts(case)
    return Finding(
        "validation-among-training",
        f"{share:.0%} of the validation examples are training examples as well.",
        "fault",
        0.95 if share > 0.1 and natural < 0.01 else 0.8,
        (
            Fact("validation examples that are equal to one of training", f"{share:.1%} of {count}"),
            Fact("expected by chance", f"{natural:.2%}"),
            Fact("different training examples", str(len(known.known))),
        ),
        change="split first, then repeat, oversample or augment the training part only; drop doubles before splitting",
        where=known.place,
        explains=("overfits", "windows-overlap", "validation-nearly-training"),
    )


@check("windows-overlap", "validation-nearly-training")
def nearly_training(case: Case) -> Iterator[Finding]:
    """Look for windows of the validation that are training windows moved along, and for examples nearly equal."""
    known = facts(case)
    train, valid = known.train, known.valid
    if train is None or valid is None or train.inputs.ndim < 2 or valid.inputs.shape[1:] != train.inputs.shape[1:]:
        return
    if (rows := row_numbers(valid.inputs)) is not None:  # equal ones are told by another check
        fresh = ~torch.isin(rows, known.known)
        valid = Fed(valid.inputs[fresh])
    share, chance = _moved_along(train.inputs, valid.inputs), 0.0
    if share > 0.0:
        half = train.inputs[:, : train.inputs.shape[1] // 2]
        chance = natural_doubles(half, len(train.inputs) * (train.inputs.shape[1] - half.shape[1] + 1))
    covered = min(1.0, len(train.inputs) / max(1, len(known.known)))
    if share > max(0.3 * covered, 0.05, 5 * chance):
        yield Finding(
            "windows-overlap",
            "Validation windows overlap with training windows: half of one stands in the other.",
            "fault",
            0.85,
            (
                Fact("validation windows whose first half stands in a recorded training window", f"{share:.0%}"),
                Fact("expected by chance", f"{chance:.1%}"),
                Fact("share of training windows that were recorded", f"{covered:.0%}"),
            ),
            change="split the series by time first, then cut windows of each part",
            where=known.place,
            explains=("validation-nearly-training", "overfits"),
        )
    elif (moved := _pictures_again(known, valid.inputs)) > 0.1:
        yield Finding(
            "validation-nearly-training",
            f"{moved:.0%} of the validation pictures are training pictures, mirrored, turned or moved.",
            "fault",
            0.9,
            (Fact("equal to one of training once mirrored, turned or moved by a pixel or two", f"{moved:.0%}"),),
            change="split first, and augment the training part only",
            where=known.place,
            explains=("overfits",),
        )
    elif (
        train.inputs.is_floating_point()
        and train.inputs.ndim == 2
        and (near := _near(train.inputs, valid.inputs)) > 0.15
    ):
        yield Finding(
            "validation-nearly-training",
            f"{near:.0%} of the validation examples are nearly equal to a training example.",
            "fault" if near > 0.3 else "warning",
            0.75 if near > 0.3 else 0.5,
            (Fact(f"nearer to a training example than {NEAR:g} of the usual distance", f"{near:.0%}"),),
            change="split first, and copy, augment or add noise to the training part only",
            where=known.place,
            explains=("overfits",),
        )


def _moved_along(train: Tensor, valid: Tensor) -> float:
    """The share of validation windows whose first half stands somewhere in a training window, but not at its beginning.

    Args:
        train: (N, T, ...) windows.
        valid: (M, T, ...) windows.
    """
    length = train.shape[1]
    features = math.prod(train.shape[2:])
    if not 6 <= length <= 512 or train.ndim > 3 or features > 64 or len(train) < 32 or len(valid) < 16:
        return 0.0
    half = length // 2
    wanted = row_numbers(valid[:512, :half].contiguous())
    found = []
    for start in range(1, length - half + 1):
        rows = row_numbers(train[:, start : start + half].contiguous())
        if rows is not None:
            found.append(rows)
    if wanted is None or not found or len(wanted.unique()) < 0.5 * len(wanted):
        return 0.0
    return float(torch.isin(wanted, torch.cat(found)).double().mean())


def _pictures_again(known: Facts, valid: Tensor) -> float:
    """The share of pictures that are training pictures once they are mirrored, turned or moved a little."""
    if valid.ndim == 2 and int(valid.shape[1] ** 0.5) ** 2 == valid.shape[1]:
        side = int(valid.shape[1] ** 0.5)
        square = valid.reshape(-1, side, side)
    else:
        square = valid
    if square.ndim not in (3, 4) or min(square.shape[-2:]) < 6 or not valid.is_floating_point() or len(valid) < 30:
        return 0.0
    square = square[:600]
    changed = [square.flip(-1), square.flip(-2)]
    changed += [torch.roll(square, step, dims=dim) for step in (-2, -1, 1, 2) for dim in (-1, -2)]
    if square.shape[-1] == square.shape[-2]:
        changed += [torch.rot90(square, turns, (-2, -1)) for turns in (1, 2, 3)]
    found = torch.zeros(len(square), dtype=torch.bool)
    plain = row_numbers(square.reshape(len(square), *valid.shape[1:]))
    for each in changed:
        rows = row_numbers(each.reshape(len(square), *valid.shape[1:]).contiguous())
        if rows is not None and plain is not None:
            found |= torch.isin(rows, known.known) & (rows != plain)
    return float(found.double().mean())


def _near(train: Tensor, valid: Tensor) -> float:
    """The share of validation examples with a training example far nearer than those have each other."""
    if train.shape[1] < 3 or len(train) < 100 or len(valid) < 30 or not bool(train.isfinite().all()):
        return 0.0
    mean, spread = train.mean(0), train.std(0).clamp_min(1e-9)
    first, second = ((t[:1000].float() - mean) / spread for t in (train, valid))
    nearest = torch.cdist(second, first).min(1).values
    among = torch.cdist(first, first)
    among.fill_diagonal_(math.inf)
    usual = float(among.min(1).values.median())
    return float((nearest < NEAR * usual).double().mean()) if usual > 0 else 0.0
