"""What is to be made again, or cleaned, compared with the wrong thing."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._facts import facts, fed_of, input_value
from chainrule.diagnosis.doctor.findings import Fact, Finding

_WORDS = ("nois", "corrupt", "mask", "blur", "degrad", "broken", "low_res", "lowres", "occlud", "damaged")


@check("input-as-target")
def input_as_target(case: Case) -> Iterator[Finding]:
    """Compare the target of the loss with the input, and what evaluation compares with."""
    if not case.batches or len(case.networks) > 2:
        return
    if not all(_same(*_pair(case, i)) for i in range(min(4, len(case.batches)))):
        return
    other = [fed for passed in case.evaluations for seen in passed if (fed := fed_of(seen)) is not None]
    differs = [f for f in other if f.targets is not None and f.targets.shape == f.inputs.shape
               and not torch.equal(f.targets, f.inputs)]  # fmt: skip
    criterion = case.batches[0].criterion
    assert criterion is not None
    line = case.batches[0].line(criterion.operation)
    said = case.source.code(line).lower()
    named = any(word in said for word in _WORDS)
    if not differs and not named:
        return
    distance = [float((f.targets - f.inputs).square().mean()) for f in differs if f.targets is not None]
    yield Finding(
        "input-as-target",
        "The output is compared with the very input, noise and all, and not with what it is to become.",
        "fault",
        0.95 if differs else 0.75,
        (
            Fact("difference of target and input in training", "0 in every recorded step"),
            *((Fact("mean squared difference in evaluation", f"{distance[0]:.4g}"),) if distance else ()),
        ),
        change="keep the clean example beside the changed one: loss(model(noisy), clean)",
        where=case.place(line) or facts(case).place,
        explains=(
            *LEARNS_LITTLE,
            "validation-prepared-differently",
            "overfits",
            "labels-unrelated",
            "layer-too-narrow",
        ),
    )


def _pair(case: Case, place: int) -> tuple[Tensor | None, Tensor | None]:
    batch = case.batches[place]
    value = input_value(batch)
    return (None if value is None else batch.tape.values[value].tensor), batch.targets


def _same(given: Tensor | None, wanted: Tensor | None) -> bool:
    if given is None or wanted is None or not wanted.is_floating_point() or given.numel() != wanted.numel():
        return False
    return given.numel() > 16 and torch.equal(given.reshape(-1), wanted.reshape(-1).to(given.dtype))
