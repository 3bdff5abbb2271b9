"""Labels that have nothing to do with the inputs: shuffled, or out of step."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._again import again, compare
from chainrule.diagnosis.doctor.checks.data._facts import Fed, class_targets, facts
from chainrule.diagnosis.doctor.checks.data._fit import RELATED, related
from chainrule.diagnosis.doctor.checks.data._in_time import in_time
from chainrule.diagnosis.doctor.checks.data._whole import whole
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

EXAMPLES = 150
"""Pairs that are needed to say that inputs tell nothing of labels."""
CHANCE = 2.5
"""Standard deviations above what shuffled labels give, below which inputs tell nothing of labels."""
MOST_BY_CHANCE, FAR_LESS = 6.0, 0.12
"""The same where the validation tells far more: chance may give a little, in 24 draws of shuffled labels."""


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
    if not sure and (not no_better or _only_unpredictable(case, known.train)):
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


def _only_unpredictable(case: Case, train: Fed) -> bool:
    """Whether each label may well be that of its input: it comes next in a series, or its size can be told."""
    every = whole(case)
    if every is not None and in_time(every.inputs):
        return True
    if train.targets is None or not train.targets.is_floating_point() or class_targets(train) is not None:
        return False
    sizes = related(Fed(train.inputs, (train.targets - train.targets.median()).abs()))
    return sizes is not None and sizes > RELATED


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
