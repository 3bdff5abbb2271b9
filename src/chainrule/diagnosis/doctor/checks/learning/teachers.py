"""Networks that are asked in each step for what another one should learn, while they drop and count batches."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Forward
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning._modes import answer, difference
from chainrule.diagnosis.doctor.checks.learning.modes import DIFFERS
from chainrule.diagnosis.doctor.findings import Fact, Finding

OFTEN = 0.5
"""Calls for each step of another network, from which on it is a part of the step."""


@check("teacher-in-training-mode", experiment=True)
def teacher_in_training_mode(case: Case) -> Iterator[Finding]:
    """A network whose weights stay as they are, asked without gradients beside each step, in training mode."""
    found: dict[int, list[Forward]] = {}
    for each in case.forwards:
        if each.training and not each.grad:
            found.setdefault(id(each.module), []).append(each)
    for calls in found.values():
        module, begun = calls[0].module, calls[0].at
        owned = {id(p) for p in module.parameters()}
        later = [moved for moved in case.moves if moved.at > begun]
        moving = [m for m in later if any(id(p) in owned for g in m.optimizer.param_groups for p in g["params"])]
        kept = next((f for f in reversed(calls) if f.given is not None), None)
        if len(calls) < OFTEN * len(later) or len(later) < 8 or moving or kept is None:
            continue
        if any(_follows(case, module, other) for other in case.networks.values() if other is not module):
            continue  # an average that follows, which some methods ask with dropout on purpose
        apart = difference(answer(module, kept, training=True, seed=1), answer(module, kept, training=False, seed=1))
        if apart is None or apart < DIFFERS:
            continue
        yield Finding(
            "teacher-in-training-mode",
            "A network that does not learn is asked in training mode in every step: it drops, or normalizes by the "
            "batch.",
            "warning" if apart < 0.1 else "fault",
            0.8,
            (
                Fact("calls beside the steps of another network", f"{len(calls)} for {len(later)} steps"),
                Fact("difference of its answers in the two modes", f"{apart:.0%} of their norm"),
            ),
            "`teacher.eval()` before the training.",
            case.place(calls[0].line),
            explains=("evaluated-in-training-mode", "validation-among-training"),
        )
        return


def _follows(case: Case, module: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Whether a network's weights change without an optimizer: towards those of another one of its shapes."""
    mine, theirs = list(module.parameters()), list(other.parameters())
    if [p.shape for p in mine] != [p.shape for p in theirs]:
        return False
    first = [case.seen.initial.get(id(p)) for p in mine]
    return any(start is not None and not torch.equal(start, p.detach()) for start, p in zip(first, mine)) and not any(
        id(p) in case.owned for p in mine
    )
