"""Training and validation prepared differently: another scale, layout, order of columns, vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.data._again import answers, score
from chainrule.diagnosis.doctor.checks.data._facts import Fed, class_targets, columns, facts
from chainrule.diagnosis.doctor.checks.data._tokens import padding_of, tokens_of
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

SPREAD = 1.6
"""Spread of one part over that of the other from which they differ beyond sampling and mild augmentation."""
MEAN = 0.4
"""Difference of means, in spreads: the same."""
EXAMPLES = 40
"""Examples of each part that are needed."""
BETTER = 0.08
"""What another preparation must add to accuracy or explained variance, and be worth a fault."""
WORDS_ALIKE, HALVES_ALIKE = 0.6, 0.8
"""Likeness (cosine) of how often tokens stand in training and validation: below the first the vocabulary is another,
where two halves of training are at least as alike as the second."""

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Other:
    """Another way to prepare the validation."""

    how: str
    change: Change


@check("validation-prepared-differently", experiment=True)
def prepared_differently(case: Case) -> Iterator[Finding]:
    """Compare inputs of training and validation, and ask the network again after preparing the validation alike."""
    known = facts(case)
    train, valid = known.train, known.valid
    if train is None or valid is None or min(len(train.inputs), len(valid.inputs)) < EXAMPLES or _another(case):
        return
    if tokens_of(case) is not None and not valid.inputs.is_floating_point():
        yield from _vocabulary(case, train, valid)
        return
    same = train.inputs.shape[1:] == valid.inputs.shape[1:] and train.inputs.ndim >= 2
    if not same or not train.inputs.is_floating_point() or not valid.inputs.is_floating_point():
        return
    if not bool(train.inputs.isfinite().all()) or not bool(valid.inputs.isfinite().all()):
        return
    evidence, much = _difference(train.inputs, valid.inputs)
    tried = _mended(case, train, valid, much)
    if not much and tried is None:
        return
    in_order = _ordered(case)
    helped = tried is not None and tried.helped
    if much and tried is None and valid.targets is not None and in_order:
        return
    yield Finding(
        "validation-prepared-differently",
        "The validation is prepared in another way than training: the same example would look different.",
        "fault" if helped or (much and not in_order and tried is None and _far(train, valid)) else "note",
        0.95 if helped else 0.62,
        evidence,
        change="prepare both parts by the same function, with the statistics of the training part",
        where=known.place,
        tried=tried,
        explains=("overfits", "one-answer-for-all", "input-not-scaled", "labels-partly-wrong"),
    )


def _another(case: Case) -> bool:
    """Whether what is evaluated last is another network, which has learned from examples of its own."""
    asked = case.evaluations[-1][0].forward.module if case.evaluations else case.network
    return asked is not case.network and any(f.learning and f.module is asked for f in case.forwards)


def _difference(train: Tensor, valid: Tensor) -> tuple[tuple[Fact, ...], bool]:
    """How far the inputs of both differ, in numbers, and whether it is much."""
    a, b = _lively(train, valid)
    ratio, spread = _ratio(a, b), a.std(0).clamp_min(1e-12)
    moved = abs(float(b.mean() - a.mean())) / max(float(a.std()), 1e-12)
    by_column = float(((b.mean(0) - a.mean(0)).abs() / spread).mean())
    noise = 2.5 / min(len(a), len(b)) ** 0.5
    found = (
        Fact("mean and spread in training", f"{float(a.mean()):.4g} and {float(a.std()):.4g}"),
        Fact("mean and spread in validation", f"{float(b.mean()):.4g} and {float(b.std()):.4g}"),
        Fact("difference of columns' means, in spreads", f"{by_column:.2f}"),
    )
    much = ratio > SPREAD or ratio < 1 / SPREAD or moved > MEAN or by_column > MEAN + noise
    return found, much


def _lively(train: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The columns that vary in training: one that is nearly constant there tells nothing, and may be huge elsewhere."""
    first, second = columns(train.float()), columns(valid.float())
    spread = first.std(0)
    lively = spread >= 1e-3 * spread.max()
    return first[:, lively], second[:, lively]


def _ratio(train: Tensor, valid: Tensor) -> float:
    """The spread of a column in validation over that in training, for most columns."""
    return float((valid.std(0) / train.std(0).clamp_min(1e-12)).median())


def _far(train: Fed, valid: Fed) -> bool:
    """Whether the parts differ so much that no draw or augmentation explains it."""
    ratio = _ratio(*_lively(train.inputs, valid.inputs))
    return ratio > 3 or ratio < 1 / 3


def _ordered(case: Case) -> bool:
    """Whether only a part of what training was given is known: in ordered data it may well be another kind."""
    known = facts(case)
    return known.train is None or len(known.known) > 2 * len(known.train.inputs)


def _mended(case: Case, train: Fed, valid: Fed, much: bool) -> Tried | None:
    """Ask the network of now about the validation prepared in other ways; the best one, where it is better."""
    network = case.network
    if network is None or valid.answers is None or valid.targets is None or not valid.paired:
        return None
    inputs, targets = valid.inputs[:1000], valid.targets[:1000]
    with case.answering(network) as module:
        own = score(answers(module, inputs), targets)
        if own is None or own > 0.9:
            return None
        tried: list[tuple[float, str]] = []
        for other in others(train.inputs, valid.inputs, much=much):
            found = score(answers(module, other.change(inputs)), targets)
            if found is not None:
                tried.append((found, other.how))
    if not tried:
        return None
    best, how = max(tried)
    labels = class_targets(valid)
    chance = 0.0 if labels is None else float((labels == labels.mode().values).double().mean())
    least = max(BETTER, 2.5 / len(inputs) ** 0.5)
    if best < max(0.0, own) + least or best < chance + least:
        return None
    return Tried(f"the validation {how}", f"score {own:.3f}", f"score {best:.3f}", True)


def others(train: Tensor, valid: Tensor, *, much: bool) -> list[Other]:
    """Other ways to prepare the validation, that would make it like training.

    Args:
        train: Inputs of training, (N, ...).
        valid: Inputs of validation, (M, ...).
        much: Whether their scales differ.
    """
    found = []
    if much:
        a, b = train.float(), valid.float()
        found.append(
            Other("brought to mean and spread of training", lambda x: (x - b.mean()) / b.std() * a.std() + a.mean())
        )
        dims = [0, *range(2, a.ndim)] if a.ndim >= 4 else [0]
        means = [t.mean(dims, keepdim=True) for t in (a, b)]
        spreads = [t.std(dims, keepdim=True).clamp_min(1e-6) for t in (a, b)]
        found.append(Other(
            "brought to mean and spread of training, column by column",
            lambda x: (x - means[1]) / spreads[1] * spreads[0] + means[0]))  # fmt: skip
        found += [Other(f"times {factor:g}", partial(torch.mul, factor)) for factor in (1 / 255, 255.0, 1 / 16, 16.0)]
    found += _turned(train)
    return found


def _turned(train: Tensor) -> list[Other]:
    """Pictures turned, mirrored, with colours exchanged or inverted."""
    if train.ndim < 3 and int(train.shape[1] ** 0.5) ** 2 != train.shape[1]:
        return [Other("with its columns in reverse", lambda x: x.flip(1))]
    side = int(train.shape[1] ** 0.5)

    def square(change: Change) -> Change:
        return change if train.ndim > 2 else lambda x: change(x.reshape(-1, side, side)).reshape(len(x), -1)

    low, high = float(train.min()), float(train.max())
    found = [
        Other("mirrored", square(lambda x: x.flip(-1))),
        Other("upside down", square(lambda x: x.flip(-2))),
        Other("turned by half", square(lambda x: x.flip(-1).flip(-2))),
        Other("inverted", lambda x: low + high - x),
    ]
    if train.ndim == 2 or train.shape[-1] == train.shape[-2]:
        found.append(Other("with rows and columns exchanged", square(lambda x: x.transpose(-1, -2))))
    if train.ndim == 4 and train.shape[1] in (3, 4):
        found.append(Other("with red and blue exchanged", lambda x: x.flip(1)))
    return found


def _vocabulary(case: Case, train: Fed, valid: Fed) -> Iterator[Finding]:
    """Compare how often each token stands in both parts; two halves of training tell what sampling does."""
    padding, _ = padding_of(train.inputs)
    size = int(max(train.inputs.max(), valid.inputs.max())) + 1
    if int(min(train.inputs.min(), valid.inputs.min())) < 0 or size < 8:
        return
    order = torch.randperm(len(train.inputs), generator=torch.Generator().manual_seed(0))
    half = len(order) // 2
    parts = [train.inputs, valid.inputs, train.inputs[order[:half]], train.inputs[order[half:]]]
    counts = [torch.bincount(part[part != padding] if padding is not None else part.reshape(-1), minlength=size)
              for part in parts]  # fmt: skip
    alike, halves = (float(torch.cosine_similarity(a.double(), b.double(), dim=0))
                     for a, b in ((counts[0], counts[1]), (counts[2], counts[3])))  # fmt: skip
    if alike > WORDS_ALIKE or halves < HALVES_ALIKE:
        return
    yield Finding(
        "validation-prepared-differently",
        "The validation uses other numbers for its tokens than training: another vocabulary, or another way to split.",
        "fault",
        0.93,
        (
            Fact("likeness of token frequencies, training and validation", f"{alike:.2f}"),
            Fact("likeness of two halves of training", f"{halves:.2f}"),
            Fact("commonest tokens in training", str(counts[0].topk(5).indices.tolist())),
            Fact("commonest tokens in validation", str(counts[1].topk(5).indices.tolist())),
        ),
        change="build the vocabulary on the training part once, and encode both parts with it",
        where=facts(case).place,
        explains=("overfits", "one-answer-for-all", "labels-partly-wrong"),
    )
