"""Trainings that begin from weights which a search for a rate has ruined."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import mean

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Loaded, Made, Moved, owned_by
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning._loop import number, share
from chainrule.diagnosis.doctor.findings import Fact, Finding

SECONDS = 2.0
"""For the steps from the very first weights."""
RISES = 30.0
"""How many times higher the last rate of a search is than its first one, at least."""
FEWEST = 8
"""Steps of a search."""
WORSE = 1.1
"""How many times the very first loss a training must begin at: one that goes on from good weights begins below it."""
STUCK = 0.8
"""Share of the very first loss that is left all the time where nothing can be learned from what the search has left."""
FEW = 3
"""Passes whose mean loss is where a training begins."""


@check("ruined-by-rate-search", experiment=True)
def ruined_by_search(case: Case) -> Iterator[Finding]:
    """A first optimizer whose rate grows and grows, and a second one over the same weights as they are then."""
    phases = _phases(case)
    for (search, before), (training, _) in pairwise(phases):
        rates = [max(moved.rates) for moved in before]
        if len(rates) < FEWEST or not rates[0] > 0.0 or max(rates) < RISES * rates[0]:
            continue
        if share([b >= a for a, b in pairwise(rates)]) < 0.9 or not _same(search, training):
            continue
        ended = before[-1].at
        made = next((m for m in case.seen.of(Made) if m.optimizer is training), None)
        losses = [b for b in case.seen.of(Backward) if b.at > ended][:FEW]
        loaded = [e for e in case.seen.of(Loaded) if ended < e.at and losses and e.at < losses[0].at]
        first = mean([b.loss for b in case.seen.of(Backward)][:FEW])
        if loaded or not losses or made is None:
            continue
        start = mean(b.loss for b in losses)
        stuck = mean([b.loss for b in case.seen.of(Backward)][-FEW:]) > STUCK * first and start > STUCK * first
        if math.isfinite(start) and start < WORSE * first and not (stuck and _learns(case, training)):
            continue
        yield Finding(
            "ruined-by-rate-search",
            "The training begins from the weights that a search for its rate has ruined.",
            "fault",
            0.94,
            (
                Fact("rate of the search, at first and at last", f"{number(rates[0])}, {number(rates[-1])}"),
                Fact("very first loss", number(first)),
                Fact("loss where the training begins", f"{number(start)} (usual: the very first one)"),
            ),
            "Search on `copy.deepcopy(model)`, or keep its state before and load it again after the search.",
            case.place(made.line),
            explains=(
                "rate-too-high",
                "rate-too-low",
                "loss-diverges",
                "dead-units",
                "saturated-units",
                "rate-rises-without-end",
                "underfits",
                "loss-oscillates",
                "gradients-explode",
                "one-answer-for-all",
                "loss-does-not-move",
                "optimizer-made-anew",
                "input-ignored",
            ),
        )
        return


def _learns(case: Case, training: torch.optim.Optimizer) -> bool:
    """Whether the recorded steps learn well from the very first weights, with the optimizer that now does not."""
    rates = next((m.rates for m in case.moves if m.optimizer is training), ())
    steps = 2 * len(case.rehearsal.batches)
    losses = case.rehearsal.train(
        steps,
        batches=range(len(case.rehearsal.batches)),
        optimizer=lambda state: case.rehearsal.copied(training, rates, state, {}),
        seconds=SECONDS,
    )
    return len(losses) > 2 * FEW and mean(losses[-FEW:]) < STUCK * mean(losses[:FEW])


def _phases(case: Case) -> list[tuple[torch.optim.Optimizer, list[Moved]]]:
    """Runs of steps of one optimizer."""
    found: list[tuple[torch.optim.Optimizer, list[Moved]]] = []
    for moved in case.moves:
        if not found or found[-1][0] is not moved.optimizer:
            found.append((moved.optimizer, []))
        found[-1][1].append(moved)
    return found[:4]


def _same(one: torch.optim.Optimizer, other: torch.optim.Optimizer) -> bool:
    """Whether two optimizers have the same weights."""
    mine, theirs = ({id(p) for p in owned_by(each)} for each in (one, other))
    return bool(mine & theirs)
