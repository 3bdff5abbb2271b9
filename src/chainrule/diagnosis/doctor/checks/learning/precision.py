"""Weights of few bits, whose steps are smaller than their rounding."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import owned_by
from chainrule.diagnosis.doctor._rehearse import State
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.findings import Fact, Finding

LOST = 0.5
"""Share of the changes that must be lost."""


@check("updates-lost-to-rounding", experiment=True)
def updates_lost(case: Case) -> Iterator[Finding]:
    """One step with the recorded gradients, in the weights' own precision and in 32 bits."""
    if not case.moves or not case.rehearsal.possible:
        return
    moved = case.moves[0]
    narrow = [p for p in owned_by(moved.optimizer) if p.dtype in (torch.float16, torch.bfloat16)]
    gradients = case.rehearsal.gradients(0, case.rehearsal.fresh(case.final)) if narrow else {}
    own = _stepped(case, gradients, narrow=True)
    wide = _stepped(case, gradients, narrow=False)
    changed = lost = 0
    for p in narrow:
        if id(p) in own and id(p) in wide:
            first = case.final[id(p)]
            moves = wide[id(p)].double() != first.double()
            changed += int(moves.sum())
            lost += int((moves & (own[id(p)] == first)).sum())
    if not changed or lost < LOST * changed:
        return
    kind = str(narrow[0].dtype).removeprefix("torch.")
    yield Finding(
        "updates-lost-to-rounding",
        f"Weights of type {kind} do not change: {lost / changed:.0%} of a step is below their rounding.",
        "fault",
        0.93,
        (
            Fact("elements that a step changes in 32 bits", f"{changed:,}"),
            Fact(f"of these left as they are in {kind}", f"{lost:,} ({lost / changed:.0%}, usual: few)"),
            Fact("relative rounding", f"{torch.finfo(narrow[0].dtype).eps:g}"),
        ),
        "Keep the weights in float32 and compute under `torch.autocast`.",
        case.place(case.optimizer_line),
        explains=("rate-too-low", "underfits", "loss-does-not-move", "stopped-too-early", "too-few-steps"),
    )


@torch.no_grad()
def _stepped(case: Case, gradients: State, *, narrow: bool) -> State:
    """The last weights after one step of a fresh copy of the optimizer."""
    state = {k: v.clone() if narrow else v.clone().float() for k, v in case.final.items() if k in gradients}
    for key, weight in state.items():
        weight.requires_grad_(True).grad = gradients[key].to(weight.dtype)
    if state:
        case.rehearsal.copied(case.moves[0].optimizer, case.moves[-1].rates, state, {}).step()
    return {key: weight.detach() for key, weight in state.items()}
