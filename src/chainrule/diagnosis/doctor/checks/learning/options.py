"""Options of an optimizer that are far from what is usual, tried with the usual ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Made, Moved
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning._loop import number
from chainrule.diagnosis.doctor.checks.learning._trials import Run, Trials, trials
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

RATE = ("rate-too-low", "rate-too-high", "loss-does-not-move", "loss-oscillates", "loss-diverges", "underfits")
"""What options that are far off look like, too."""
FIRST_BETA = 0.98
"""Averages of gradients over fifty steps and more: beyond what is used with Adam."""
MOMENTUM = 0.985
"""Momentum above this sums gradients of more than sixty steps; 0.98 is in use and works."""
EPSILON = 1e-4
"""A usual one is 1e-8 to 1e-7; some networks are trained with 1e-3, so that this alone says nothing."""


def group_of(case: Case) -> dict[str, Any] | None:
    """The first group of the first optimizer that took a step."""
    moves: list[Moved] = case.moves
    return dict(moves[0].optimizer.param_groups[0]) if moves else None


def _line(case: Case) -> str:
    made = next((m for m in case.seen.of(Made)), None)
    return case.place(made.line if made else None)


@check("betas-exchanged", "momentum-too-large", experiment=True)
def momentum(case: Case) -> Iterator[Finding]:
    """Averages of gradients that reach too far back, or Adam's two decay rates in each other's place."""
    group = group_of(case)
    if group is None:
        return
    betas, used = group.get("betas"), group.get("momentum", 0.0)
    found = trials(case)
    if betas is not None and len(betas) == 2 and float(betas[0]) > float(betas[1]) and float(betas[0]) >= 0.95:
        usual = found.run(options={"betas": (0.9, 0.999)}) if found.possible else None
        yield _exchanged(case, found, (float(betas[0]), float(betas[1])), usual)
    elif betas is not None and float(betas[0]) > FIRST_BETA and found.possible and found.faithful:
        yield from _momentum(case, found, "betas", (0.9, betas[1]), float(betas[0]))
    elif used >= 1.0:
        yield Finding(
            "momentum-too-large",
            "A momentum of one or more never forgets: steps grow without end.",
            "fault",
            0.93,
            (Fact("momentum", f"{number(used)} (usual: 0.9)"),),
            "momentum=0.9",
            _line(case),
            explains=RATE,
        )
    elif used > MOMENTUM and found.possible and found.faithful:
        yield from _momentum(case, found, "momentum", 0.9, float(used))


def _exchanged(case: Case, found: Trials, betas: tuple[float, float], usual: Run | None) -> Finding:
    tried = None
    if usual is not None:
        helped = usual.end < found.base.end
        tried = Tried("betas=(0.9, 0.999)", found.words(found.base.end), found.words(usual.end), helped)
    return Finding(
        "betas-exchanged",
        "Adam's two decay rates are exchanged: the gradient is averaged over far too many steps, its size over few.",
        "fault",
        0.94,
        (Fact("betas", f"({betas[0]:g}, {betas[1]:g}) (usual: (0.9, 0.999))"),),
        "betas=(0.9, 0.999): that of the gradient first.",
        _line(case),
        tried,
        RATE,
    )


def _momentum(case: Case, found: Trials, name: str, usual: Any, used: float) -> Iterator[Finding]:
    run = found.run(options={name: usual})
    if found.learned or not found.beats_all(run) or run.drop < 1.5 * found.base.drop:
        return
    yield Finding(
        "momentum-too-large",
        f"Momentum {used:g} averages over {1 / (1 - used):.0f} steps: more than this training bears.",
        "fault",
        0.85,
        (Fact("momentum", f"{used:g} (usual: 0.9)"), Fact("steps in all", str(len(found.losses)))),
        "Momentum 0.9.",
        _line(case),
        Tried(f"{name}={usual}", found.words(found.base.end), found.words(run.end), True),
        RATE,
    )


@check("epsilon-too-large", experiment=True)
def epsilon(case: Case) -> Iterator[Finding]:
    """An epsilon beside which the gradients' size does not count."""
    group = group_of(case)
    if group is None or float(group.get("eps") or 0.0) < EPSILON:
        return
    found, eps = trials(case), float(group["eps"])
    if not found.possible or found.learned or not found.faithful:
        return
    run, used = found.run(options={"eps": 1e-8}, passes=found.passes), found.run(passes=found.passes)
    if not found.beats_all(run) or run.drop < 1.5 * max(used.drop, 0.0):
        return
    gradient = torch.cat([g.flatten() for g in found.rehearsal.gradients(0).values()]).abs().median()
    yield Finding(
        "epsilon-too-large",
        "The optimizer's epsilon is larger than the gradients: steps are tiny, and not scaled at all.",
        "fault",
        0.92,
        (Fact("eps", f"{eps:g} (usual: 1e-8)"), Fact("median size of a gradient's element", number(float(gradient)))),
        "eps=1e-8.",
        _line(case),
        Tried("eps=1e-8", found.words(used.end, run.steps), found.words(run.end, run.steps), True),
        RATE,
    )


@check("weight-decay-too-strong", experiment=True)
def weight_decay(case: Case) -> Iterator[Finding]:
    """An optimizer's weight decay that keeps the network from learning: away with it, and the loss falls."""
    group = group_of(case)
    strength = max(
        (float(g.get("weight_decay") or 0.0) for m in case.moves[:1] for g in m.optimizer.param_groups), default=0.0
    )
    if group is None or strength < WEAK:
        return
    found = trials(case)
    if not found.possible or found.learned or not found.faithful:
        return
    none = {"weight_decay": 0.0}
    early, kept = found.run(options=none, passes=2), found.run(passes=2)
    late, same = found.run(options=none, onward=True, passes=2), found.run(onward=True, passes=2)
    from_start = found.beats_all(early) and early.drop > 1.5 * max(kept.drop, 0.0)
    onward = late.end < same.end - 0.2 * abs(found.start) and late.end < 0.8 * found.whole
    coupled = strength >= STRONG and found.adapts and type(found.moves[0].optimizer).__name__ != "AdamW"
    relieved = coupled and late.end < RELIEF * same.end and late.end < RELIEF * found.whole
    if not (from_start or onward or relieved):
        return
    before, after = (kept, early) if from_start else (same, late)
    ids = {id(p) for g in found.moves[0].optimizer.param_groups for p in g["params"]}
    first = sum(float(t.float().square().sum()) for k, t in case.seen.initial.items() if k in ids) ** 0.5
    last = sum(float(t.float().square().sum()) for k, t in case.final.items() if k in ids) ** 0.5
    yield Finding(
        "weight-decay-too-strong",
        "The optimizer's weight decay outweighs the loss: weights are pulled to zero faster than they learn.",
        "fault" if from_start or onward else "warning",
        0.9 if from_start or onward else 0.7,
        (
            Fact("weight decay", f"{strength:g} (usual: 1e-4 to 1e-2)"),
            Fact("norm of all weights, at first and at last", f"{number(first)}, {number(last)}"),
        ),
        "weight_decay=1e-4.",
        _line(case),
        Tried("weight_decay=0", f"loss {number(before.end)}", f"loss {number(after.end)}", True),
        (*RATE, "penalty-too-strong", "underfits"),
    )


STRONG = 0.05
"""A decay that is added to the gradient, of an optimizer that divides by its size, is far above any in use."""
RELIEF = 0.6
"""Share of the loss that a few steps without such a decay must leave."""
WEAK = 0.004
"""A decay below this is in use everywhere."""
