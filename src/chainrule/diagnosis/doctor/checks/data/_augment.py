"""Augmentation that changes what an example is, and augmentation that runs in evaluation as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._copies import copy_with
from chainrule.diagnosis.doctor._events import Evaluated
from chainrule.diagnosis.doctor._rows import row_numbers
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._again import Again, again, answers, score
from chainrule.diagnosis.doctor.checks.data._facts import Fed, class_targets, facts, fed_of, input_value
from chainrule.diagnosis.doctor.checks.data._whole import originals
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

LOSS = 0.1
"""Accuracy on the validation that augmentation takes away in a short training, from which it does harm. Mild ones take
some as well, at first."""
LOSS_OF_TURNS = 0.05
"""The same where it is known that nothing is done but turning pictures."""
ERRORS = 1.3
"""How many times as many errors it makes then."""
FAR_MORE = 1.5
"""How many times as many errors the whole training must make as a few steps on the stored examples: what a mild
augmentation takes away at first it gives back later."""
LIKER = 0.06
"""How much more alike (cosine) an example must be to what stands at its place in the other evaluation than to others of
its class there: it is the same one, changed, and not another of the same class."""
SECONDS = 2.0
"""For each of the two trainings."""

_TURNS: dict[str, Callable[[Tensor], Tensor]] = {
    "mirrored": lambda x: x.flip(-1),
    "upside down": lambda x: x.flip(-2),
    "turned by half": lambda x: x.flip(-1).flip(-2),
    "turned by a quarter": lambda x: torch.rot90(x, 1, (-2, -1)),
    "turned by a quarter back": lambda x: torch.rot90(x, -1, (-2, -1)),
    "inverted": lambda x: 1 - x,
}
"""What is done to pictures, and gives back exactly what it was given when it is done in reverse."""


@check("augmentation-breaks-label", experiment=True)
def breaks_label(case: Case) -> Iterator[Finding]:
    """Train again on examples as they were before the augmentation: is the validation answered better?"""
    known = facts(case)
    if case.task not in ("classes", "yes or no") or known.valid is None or len(known.fed) != len(case.batches):
        return
    if len(known.valid.inputs) < 50 or class_targets(known.valid) is None or case.network is None:
        return
    plain = {i: found for i, batch in enumerate(case.batches) if (found := _before(batch)) is not None}
    if len(plain) >= 0.3 * len(case.batches):
        with_it, without = again(case, seconds=SECONDS), again(case, inputs=plain, seconds=SECONDS)
        yield from _compared(case, with_it, without, known.valid, "examples changed at random before the network",
                             "the recorded examples as they were before it")  # fmt: skip
    elif (stored := originals(case)) is not None:
        yield from _on_stored(case, known.valid, stored)
    elif turned := _turned(case):
        yield from _on_validation(case, known.valid, turned)


def _before(batch: Batch) -> Tensor | None:
    """The examples of a step before they were changed, where that happened in tensors; None where they were not."""
    place = input_value(batch)
    if place is None:
        return None
    inputs = batch.tape.values[place].tensor
    if inputs.ndim < 3 or not inputs.is_floating_point():
        return None
    for value in batch.tape.values[:place]:
        if value.operation is None and value.shape == tuple(inputs.shape) and value.dtype == inputs.dtype:
            if value.kind in ("parameter", "buffer") or torch.equal(value.tensor, inputs):
                return None
            return value.tensor if _same_values(value.tensor, inputs) else None
    return None


def _same_values(before: Tensor, after: Tensor) -> bool:
    """Whether the examples before are on the scale of those after, so that the network can take them."""
    spread = float(before.std()), float(after.std())
    return abs(float(before.mean() - after.mean())) < 0.6 * max(spread) and 0.4 < spread[0] / max(spread[1], 1e-9) < 2.5


def _turned(case: Case) -> list[str]:
    """How pictures are turned in training: pairs of examples are each other's mirror pictures, or such."""
    train = facts(case).train
    if train is None or train.inputs.ndim not in (3, 4) or not train.inputs.is_floating_point():
        return []
    inputs, found = train.inputs[:1000], []
    rows = row_numbers(inputs)
    if inputs.shape[-1] < 4 or inputs.shape[-2] < 4 or rows is None:
        return []
    for how, change in _TURNS.items():
        if "quarter" in how and inputs.shape[-1] != inputs.shape[-2]:
            continue
        moved = row_numbers(change(inputs).contiguous())
        if moved is None:
            continue
        other = moved[moved != rows]  # pictures that are their own mirror picture say nothing
        if len(other) and float(torch.isin(other, facts(case).known).double().mean()) > 0.02:
            found.append(how)
    return found


def _on_stored(case: Case, valid: Fed, stored: Fed) -> Iterator[Finding]:
    """Train on the examples as they are stored, as many as were recorded, and judge by the validation."""
    assert stored.targets is not None
    generator = torch.Generator().manual_seed(0)
    plain, labels = {}, {}
    recorded = sum(len(fed.inputs) for fed in facts(case).fed)
    known = torch.randperm(len(stored.inputs), generator=generator)[:recorded]
    for i, fed in enumerate(facts(case).fed):
        pick = known[torch.randint(len(known), (len(fed.inputs),), generator=generator)]
        plain[i], labels[i] = stored.inputs[pick], stored.targets[pick]
    with_it = again(case, seconds=SECONDS)
    without = again(case, inputs=plain, targets=labels, seconds=SECONDS)
    found = [*_compared(case, with_it, without, valid, "examples changed at random", "examples as they are stored",
                        sure=0.93)]  # fmt: skip
    network = case.network
    if not found or network is None:
        return
    whole, good = (
        score(answers(copy_with(network, state), valid.inputs[:1000]), _wanted(valid)[:1000])
        for state in (case.final, without.state)
    )
    if whole is not None and good is not None and good - whole > LOSS and 1 - whole > FAR_MORE * (1 - good):
        yield found[0]


def _on_validation(case: Case, valid: Fed, ways: list[str]) -> Iterator[Finding]:
    """Train on one half of the validation, turned and not turned, and judge by the other half."""
    assert valid.targets is not None
    cut = len(valid.inputs) // 2
    first, second = Fed(valid.inputs[:cut], valid.targets[:cut]), Fed(valid.inputs[cut:], valid.targets[cut:])
    wanted = [batch.targets for batch in case.batches]
    if first.targets is None or any(t is None or t.dtype != valid.targets.dtype or t.ndim != valid.targets.ndim
                                    for t in wanted):  # fmt: skip
        return
    generator = torch.Generator().manual_seed(0)
    plain, turned, labels = {}, {}, {}
    for i, fed in enumerate(facts(case).fed):
        pick = torch.randint(cut, (len(fed.inputs),), generator=generator)
        way = torch.randint(len(ways) + 1, (len(pick),), generator=generator)
        plain[i], labels[i] = first.inputs[pick], first.targets[pick]
        turned[i] = plain[i].clone()
        for number, how in enumerate(ways):
            turned[i][way == number] = _TURNS[how](plain[i][way == number])
    with_it = again(case, inputs=turned, targets=labels, seconds=SECONDS)
    without = again(case, inputs=plain, targets=labels, seconds=SECONDS)
    yield from _compared(
        case, with_it, without, second, f"pictures {', '.join(ways)} at random", "pictures as they are", exactly=True
    )


def _compared(
    case: Case,
    with_it: Again,
    without: Again,
    valid: Fed,
    how: str,
    change: str,
    *,
    exactly: bool = False,
    sure: float = 0.85,
) -> Iterator[Finding]:
    network = case.network
    assert network is not None
    bad, good = (score(answers(copy_with(network, run.state), valid.inputs[:1000]), _wanted(valid)[:1000])
                 for run in (with_it, without))  # fmt: skip
    if bad is None or good is None:
        return
    least = max(
        LOSS_OF_TURNS if exactly else LOSS, 2.5 * ((bad * (1 - bad) + good * (1 - good)) / len(valid.inputs)) ** 0.5
    )
    if good - bad < least or (1 - bad) < ERRORS * (1 - good):
        return
    yield Finding(
        "augmentation-breaks-label",
        "The augmentation makes other classes of the examples, or hides what they are: without it the validation is "
        "answered much better.",
        "fault",
        sure,
        (Fact("accuracy on the validation, trained with it", f"{bad:.1%}"), Fact("trained without", f"{good:.1%}")),
        change="keep only changes that leave the class: no mirroring of digits or letters, small "
        "shifts and turns, mild noise",
        where=facts(case).place,
        tried=Tried(
            f"{change} instead of {how}, {len(without.losses)} steps from the same start",
            f"accuracy {bad:.1%}",
            f"accuracy {good:.1%}",
            True,
        ),
        explains=(
            *LEARNS_LITTLE,
            "validation-prepared-differently",
            "dropout-too-strong",
            "labels-partly-wrong",
            "dead-units",
        ),
    )


def _wanted(valid: Fed) -> Tensor:
    assert valid.targets is not None
    return valid.targets


@check("augmentation-in-evaluation")
def in_evaluation(case: Case) -> Iterator[Finding]:
    """Compare the first evaluation with the last: are the same examples changed at random each time?"""
    if len(case.evaluations) < 2 or case.task not in ("classes", "yes or no"):
        return
    first, last = case.evaluations
    changed = 0
    for place, (before, after) in enumerate(zip(first, last)):
        changed += not _by_another(last[place], last[:place]) and _changed(before, after)
    examples = sum(not _by_another(seen, last[:place]) for place, seen in enumerate(last))
    if not changed or changed < 0.5 * min(len(first), examples):
        return
    yield Finding(
        "augmentation-in-evaluation",
        "The validation examples are changed at random each time: augmentation runs in evaluation as well.",
        "fault",
        0.82,
        (
            Fact(
                "calls whose examples are the same and yet other ones in the last evaluation",
                f"{changed} of {len(last)}",
            ),
        ),
        change="give the validation its own transform, without anything random",
        where=case.place(last[0].forward.line),
        explains=("validation-prepared-differently", "augmentation-breaks-label"),
    )


def _by_another(seen: Evaluated, earlier: list[Evaluated]) -> bool:
    """Whether a call was given what another network made in the same pass: no examples, but features of them."""
    fed = fed_of(seen)
    if fed is None:
        return False
    for other in earlier:
        if other.forward.module is seen.forward.module:
            continue
        after = [value.tensor for value in other.tape.values if value.operation is not None]
        made = [leaf for leaf in tree_leaves(other.forward.output) if isinstance(leaf, Tensor)] + after
        if any(tensor.shape == fed.inputs.shape and torch.equal(tensor, fed.inputs) for tensor in made):
            return True
    return False


def _changed(before: Evaluated, after: Evaluated) -> bool:
    a, b = fed_of(before), fed_of(after)
    if a is None or b is None or a.inputs.shape != b.inputs.shape or not a.inputs.is_floating_point():
        return False
    if a.inputs.ndim < 2 or len(a.inputs) < 8 or a.targets is None or b.targets is None:
        return False
    if a.targets.shape != b.targets.shape or not torch.equal(a.targets, b.targets):
        return False  # other examples
    first, second = a.inputs.reshape(len(a.inputs), -1).float(), b.inputs.reshape(len(b.inputs), -1).float()
    same = (first == second).all(1).double().mean()
    if float(same) > 0.6:
        return False
    centered = [t - t.mean(0) for t in (first, second)]
    own = torch.cosine_similarity(centered[0], centered[1], dim=1).mean()
    other = torch.cosine_similarity(centered[0], centered[1].roll(1, 0), dim=1).mean()
    labels = class_targets(a)
    if labels is None:
        labels = torch.zeros(len(first), dtype=torch.long)
    return float(own - other) > 0.15 and _more_than_its_class(centered[0], centered[1], labels)


def _more_than_its_class(before: Tensor, after: Tensor, labels: Tensor) -> bool:
    """Whether examples are more like what stands at their place than like the others of their class there."""
    first, second = (torch.nn.functional.normalize(t[:500], dim=1) for t in (before, after))
    alike, labels = (first @ second.T).double(), labels[:500]
    same = labels[:, None] == labels[None, :]
    same.fill_diagonal_(False)
    usable = same.any(1)
    others = (alike * same).sum(1) / same.sum(1).clamp_min(1)
    gain = (alike.diagonal() - others)[usable]
    return len(gain) > 7 and float(gain.mean()) > max(LIKER, 5 * float(gain.std()) / len(gain) ** 0.5)
