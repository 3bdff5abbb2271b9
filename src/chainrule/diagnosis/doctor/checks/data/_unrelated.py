"""Labels that have nothing to do with the inputs: shuffled, or out of step."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._again import again, compare
from chainrule.diagnosis.doctor.checks.data._facts import Fed, class_targets, columns, facts
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

EXAMPLES = 150
"""Pairs that are needed to say that inputs tell nothing of labels."""
MOST = 1200
"""Pairs that are looked at."""
CHANCE = 2.5
"""Standard deviations above what shuffled labels give, below which inputs tell nothing of labels."""
MOST_BY_CHANCE, FAR_LESS = 6.0, 0.12
"""The same where the validation tells far more: chance may give a little, in 24 draws of shuffled labels."""
RELATED = 5.0
"""The same, from which they do."""


@check("labels-unrelated", experiment=True)
def labels_unrelated(case: Case) -> Iterator[Finding]:
    """Ask neighbours and a linear fit: do inputs tell more of the labels than of shuffled ones? Then train on both."""
    known = facts(case)
    if known.train is None or case.task == "own" or len(known.fed) != len(case.batches):
        return
    if len(known.train.inputs) < EXAMPLES or known.train.targets is None:
        return
    told = related(known.train)
    if told is None or told > MOST_BY_CHANCE:
        return
    elsewhere = None if known.valid is None or len(known.valid.inputs) < 60 else related(known.valid)
    if told > (CHANCE if elsewhere is None else max(CHANCE, FAR_LESS * elsewhere)):
        return
    true, shuffled = again(case), again(case, targets=_shuffled(case))
    count = len(case.batches)
    with_true, with_shuffled = compare(true, shuffled, count=count)
    no_better = with_true > 0.95 * with_shuffled
    sure = elsewhere is not None and elsewhere > RELATED and (told <= CHANCE or no_better)
    if not sure and not no_better:
        return
    fell = _fell(true.losses, count)
    proven = no_better and fell
    yield Finding(
        "labels-unrelated",
        "The labels have nothing to do with the inputs: they are shuffled, or out of step.",
        "fault" if sure or (proven and elsewhere is None) else "warning" if proven else "note",
        0.94 if sure else 0.72 if proven else 0.4,
        (
            Fact("what inputs tell of labels in training", f"{told:+.1f} standard deviations from shuffled labels"),
            *((Fact("the same in the validation", f"{elsewhere:+.1f}"),) if elsewhere is not None else ()),
        ),
        change="shuffle inputs and labels by the same permutation, and drop or filter rows of both together",
        where=known.place,
        tried=Tried(
            "labels shuffled at random, the same steps from the same start",
            f"loss {with_true:.4g} with the labels as given",
            f"loss {with_shuffled:.4g} with shuffled ones",
            not no_better,
        ),
        explains=(
            *LEARNS_LITTLE,
            "overfits",
            "validation-prepared-differently",
            "labels-numbered-differently",
            "initialization-too-small",
        ),
    )


def _fell(losses: list[float], count: int) -> bool:
    """Whether the network learned something by heart, so that it could have learned more."""
    first = sum(losses[:count]) / max(1, count)
    return sum(losses[-count:]) / max(1, count) < 0.98 * first


def _shuffled(case: Case) -> dict[int, Tensor]:
    """The targets of all recorded steps among each other, where they are of one kind."""
    found: dict[int, Tensor] = {}
    targets = [(i, b.targets) for i, b in enumerate(case.batches) if b.targets is not None]
    every = torch.cat([t for _, t in targets])
    generator = torch.Generator().manual_seed(0)
    every = every[torch.randperm(len(every), generator=generator)]
    parts = every.split([len(t) for _, t in targets])
    found.update({i: part for (i, _), part in zip(targets, parts)})
    return found


def related(fed: Fed) -> float | None:
    """How much more inputs tell of targets than of shuffled ones, in standard deviations; None where it cannot be told.

    The better one of five neighbours and a linear fit, each example answered without itself.
    """
    if fed.targets is None or not fed.paired or len(fed.inputs) < 60:
        return None
    features = _features(fed.inputs[:MOST])
    labels = class_targets(fed)
    if labels is not None:
        if int(labels.min()) < 0 or len(labels.unique()) < 2 or len(labels.unique()) > len(labels) // 4:
            return None
        wanted = torch.nn.functional.one_hot(labels[:MOST]).double()
    elif fed.targets.is_floating_point():
        wanted = fed.targets[:MOST].reshape(len(features), -1).double()
    else:
        return None
    if features is None or wanted.shape[1] > 64 or not bool(wanted.isfinite().all()):
        return None
    wanted = wanted - wanted.mean(0)
    fits = [neighbours(features), linear(features)]
    generator = torch.Generator().manual_seed(0)
    best = -torch.inf
    for fit in fits:
        own = agreement(fit, wanted)
        draws = torch.tensor(
            [agreement(fit, wanted[torch.randperm(len(wanted), generator=generator)]) for _ in range(24)]
        )
        best = max(best, (own - float(draws.mean())) / max(float(draws.std()), 1e-9))
    return best


def _features(inputs: Tensor) -> Tensor:
    """Scaled columns; of tokens how often each stands in the example."""
    if not inputs.is_floating_point() and inputs.ndim == 2:
        size = int(inputs.max()) + 1
        if int(inputs.min()) >= 0 and 8 < size <= 50_000:
            counts = torch.zeros(len(inputs), size).scatter_add_(1, inputs.long(), torch.ones(inputs.shape))
            kept = (counts > 0).sum(0) > 1
            return torch.nn.functional.normalize(
                counts[:, kept] / (counts[:, kept] > 0).sum(0).sqrt().clamp_min(1), dim=1
            )
    table = columns(inputs)
    step = -(-table.shape[1] // 1024)
    table = table[:, ::step]
    spread = table.std(0)
    return (
        ((table - table.mean(0)) / torch.where(spread > 1e-9, spread, torch.ones_like(spread)))
        .nan_to_num()
        .clamp(-8, 8)
    )


def neighbours(features: Tensor) -> Tensor:
    """The matrix that answers each example by the mean of its five neighbours, (N, N)."""
    distance = torch.cdist(features.float(), features.float())
    distance.fill_diagonal_(torch.inf)
    near = distance.topk(5, largest=False).indices
    return torch.zeros(len(features), len(features), dtype=torch.double).scatter_(1, near, 0.2)


def linear(features: Tensor) -> Tensor:
    """The matrix that answers each example by a ridge fit to all others, (N, N)."""
    kernel = (features.double() @ features.double().T) / features.shape[1]
    strength = 0.1 * float(kernel.diagonal().mean()) + 1e-9
    identity = torch.eye(len(kernel), dtype=torch.double)
    hat = torch.linalg.solve(kernel + strength * identity, kernel)
    leverage = hat.diagonal().clamp_max(0.999)
    return (hat - torch.diag(leverage)) / (1 - leverage)[:, None]


def agreement(fit: Tensor, wanted: Tensor) -> float:
    """The correlation of answers and targets."""
    answered = fit @ wanted
    return float((answered * wanted).sum() / (answered.norm() * wanted.norm()).clamp_min(1e-12))
