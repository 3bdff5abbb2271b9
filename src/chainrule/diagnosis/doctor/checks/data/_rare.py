"""A rare class that the network gives up, and nothing in the loss or the draw of examples that makes up for it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._copies import copy_with
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.data._again import again, answers
from chainrule.diagnosis.doctor.checks.data._facts import Fed, class_targets, facts
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

RARE = 6.0
"""How many times as frequent the commonest class is as the rarest one, from which the rare one may be neglected."""
FOUND = 0.75
"""Share of a rare class that is found, from which it is not neglected."""
GAIN, RARE_GAIN = 0.06, 0.2
"""What drawing classes evenly must add to the mean recall, and to the recall of the rare classes."""
SECONDS = 2.5
"""For the training with classes drawn evenly."""


@check("rare-class-neglected", experiment=True)
def rare_class_neglected(case: Case) -> Iterator[Finding]:
    """Count what is found of each class in the validation; train again with classes drawn evenly."""
    known = facts(case)
    train, valid, network = known.train, known.valid, case.network
    if train is None or valid is None or network is None or case.task not in ("classes", "yes or no"):
        return
    if len(known.fed) != len(case.batches) or train.targets is None or _weighted(case):
        return
    labels, wanted = class_targets(train), class_targets(valid)
    if labels is None or wanted is None or valid.answers is None or int(labels.min()) < 0 or len(wanted) < 50:
        return
    counts = torch.bincount(labels)
    present = counts[counts > 0]
    if len(present) < 2 or int(present.min()) < 3 or float(present.max()) < RARE * float(present.min()):
        return
    rare = [c for c in range(len(counts)) if 0 < int(counts[c]) * RARE <= int(counts.max())]
    now = recalls(valid.answers, wanted)
    rare = [c for c in rare if c in now]
    if not rare or sum(now[c] for c in rare) / len(rare) >= FOUND:
        return
    even = again(case, inputs=(drawn := _even(case, train, labels))[0], targets=drawn[1], seconds=SECONDS)
    told = answers(copy_with(network, even.state), valid.inputs)
    if told is None or even.broken:
        return
    then = recalls(told, wanted)
    old, new = (sum(found[c] for c in rare) / len(rare) for found in (now, then))
    mean_old, mean_new = (sum(found.values()) / max(1, len(found)) for found in (now, then))
    if new < old + RARE_GAIN or mean_new < mean_old + GAIN:
        return
    yield Finding(
        "rare-class-neglected",
        f"The rare class {rare[0]} is mostly missed: nothing makes up for how seldom it occurs.",
        "fault",
        0.88,
        (
            Fact("examples of each class", ", ".join(f"{c}: {int(n)}" for c, n in enumerate(counts[:12]) if n)),
            Fact("share of the rare classes that is found", f"{old:.0%}"),
            Fact("mean over classes", f"{mean_old:.0%}"),
        ),
        change="weight=total / (classes * counts) in the loss, or a WeightedRandomSampler; judge by F1 or mean recall",
        where=known.place,
        tried=Tried(
            f"classes drawn evenly, {len(even.losses)} steps from the first weights",
            f"mean recall {mean_old:.0%}, of the rare {old:.0%}",
            f"mean recall {mean_new:.0%}, of the rare {new:.0%}",
            True,
        ),
        explains=("classes-uneven", "one-answer-for-all", "underfits", "loss-does-not-move", "wrong-threshold"),
    )


def _weighted(case: Case) -> bool:
    """Whether the loss weighs its classes, or a sampler its examples."""
    criterion = next((b.criterion for b in case.batches if b.criterion is not None), None)
    options = criterion.options if criterion else {}
    drawn = any(getattr(getattr(m.get("loader"), "sampler", None), "weights", None) is not None
                for m in case.seen.loaders)  # fmt: skip
    return drawn or any(options.get(name) is not None for name in ("weight", "pos_weight"))


def recalls(answered: Tensor, wanted: Tensor) -> dict[int, float]:
    """The share of each class that is found."""
    if answered.ndim == 2 and answered.shape[1] > 1:
        chosen = answered.argmax(1)
    else:
        flat = answered.reshape(-1)
        inside = float(flat.min()) >= 0 and float(flat.max()) <= 1
        chosen = (flat > (0.5 if inside else 0.0)).long()
    if len(chosen) != len(wanted):
        return {}
    return {int(c): float((chosen[wanted == c] == c).double().mean()) for c in wanted.unique()}


def _even(case: Case, train: Fed, labels: Tensor) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """Batches of the recorded examples, in which each class is as likely as any other."""
    assert train.targets is not None
    chance = (1.0 / torch.bincount(labels).double().clamp_min(1))[labels]
    generator = torch.Generator().manual_seed(0)
    inputs, targets = {}, {}
    for i, batch in enumerate(case.batches):
        if batch.targets is None:
            continue
        pick = torch.multinomial(chance, len(facts(case).fed[i].inputs), replacement=True, generator=generator)
        inputs[i], targets[i] = train.inputs[pick], train.targets[pick]
    return inputs, targets
