"""Learning rates that are too low or too high: what other rates come to from the same start."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import torch

from chainrule.diagnosis.doctor import _clock
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning._loop import number
from chainrule.diagnosis.doctor.checks.learning._trials import LEAST_DROP, Run, Trials, trials
from chainrule.diagnosis.doctor.findings import Fact, Finding, Plot, Tried

FACTORS = (10.0, 100.0, 1000.0, 1e4, 0.1, 0.01, 0.001)
"""Of the used rate: powers of ten to each side, where people's slips lie."""
LEFT = 3.0
"""Seconds that must be left for one run more."""
SECONDS = 4.0
"""After so long no further rate is tried."""
AGAIN = 3
"""Passes through the same batches from which on they may be learned by heart."""
LONG_ENOUGH = 20
"""Steps after which a loss should have begun to move."""


@check("rate-too-low", "rate-too-high", experiment=True)
def rate(case: Case) -> Iterator[Finding]:
    """A range test: from the first weights, with rates from a thousandth to a thousand times the used one."""
    found = trials(case)
    if not _ready(case, found):
        return
    used = found.run(steady=True, passes=found.passes)
    if found.beats_all(used):
        return  # the rate is right for a start, and something else goes wrong later
    runs = {1.0: used}
    begun = _clock.computed()
    for factor in FACTORS if found.whole_drop > 0.0 else FACTORS[::-1]:
        if case.left < LEFT or _clock.computed() - begun > SECONDS:
            break
        runs[factor] = found.run(scale=factor, steady=True, passes=found.passes)
    best = max(runs, key=lambda factor: runs[factor].drop)
    further = found.beats_all(runs[best]) and runs[best].drop > 1.5 * max(used.drop, 0.0)
    if best != 1.0 and (further or _far_below(found, runs)):
        if best < 1.0 or not _by_heart(found, best):
            yield _finding(case, found, runs, best)
    elif (late := _too_high_at_the_end(case, found)) is not None:
        yield late


def _by_heart(found: Trials, scale: float) -> bool:
    """Whether the higher rate only learns the recorded batches by heart: what is left out of them is not learned."""
    held = max(2, found.pass_steps // 3)
    learned, left_out = found.batches[: found.pass_steps - held], found.batches[found.pass_steps - held :]
    if found.passes < AGAIN or len(learned) < held or any(not turn.last for turn in found.rehearsal.turns):
        return False
    state = found.rehearsal.start()
    pace = found.pace(scale)
    losses = found.rehearsal.train(found.pass_steps * found.passes, batches=learned, pace=pace, state=state)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        held_out = [float(found.rehearsal.loss(i, state).sum()) for i in left_out]
    first = found.first[found.pass_steps - held : found.pass_steps]
    return math.isfinite(losses[-1]) and sum(held_out) > sum(first) - LEAST_DROP * abs(sum(first))


def _far_below(found: Trials, runs: dict[float, Run]) -> bool:
    """Whether the loss stays where it is, and ten times the rate goes several times further, again and again."""
    falls = [runs[factor].drop for factor in (1.0, 10.0, 100.0, 1000.0) if factor in runs]
    return (
        len(falls) == 4
        and found.whole_drop < 0.5 * LEAST_DROP * abs(found.start)
        and all(b > 4 * max(a, 0.0) for a, b in pairwise(falls))
        and falls[-1] > max(3 * runs[1000.0].error, 2 * found.whole_drop)
    )


def _ready(case: Case, found: Trials) -> bool:
    return found.possible and not found.learned and base_rate(found) > 0.0 and found.faithful and case.left > LEFT


def base_rate(found: Trials) -> float:
    """The highest rate of the training."""
    if found.moves:
        return max((rate for moved in found.moves for rate in moved.rates), default=0.0)
    return found.rehearsal.by_hand.rate if found.rehearsal.by_hand else 0.0


def _finding(case: Case, found: Trials, runs: dict[float, Run], best: float) -> Finding:
    used = base_rate(found)
    low = best > 1.0
    run = runs[best]
    steps = len(found.losses)
    clear = run.drop >= 4 * max(found.whole_drop, 0.0)
    whole = "not finite" if not math.isfinite(found.whole) else number(found.whole)
    return Finding(
        "rate-too-low" if low else "rate-too-high",
        f"The learning rate is too {'low' if low else 'high'}: at {best:,g} times the rate, "
        f"{run.steps} steps come further than all {steps}.",
        "fault",
        0.9 if clear else 0.78,
        (
            Fact("learning rate", number(used)),
            Fact(f"loss at first, and after all {steps} passes", f"{number(found.start)}, {whole}"),
            Fact(f"loss after {run.steps} passes at {number(best * used)}", number(run.end)),
        ),
        f"A rate near {number(best * used)}" + (f" (lr={number(best * used)})." if found.moves else "."),
        case.place(case.optimizer_line),
        Tried(
            f"rate {number(best * used)} instead of {number(used)}",
            found.words(runs[1.0].end, run.steps),
            found.words(run.end, run.steps),
            True,
        ),
        (
            "too-few-steps",
            "stopped-too-early",
            "loss-does-not-move",
            "one-batch-is-not-learned",
            "one-answer-for-all",
            "underfits",
            "loss-oscillates",
            "loss-diverges",
        ),
        _plot(runs, used, found),
    )


def _plot(runs: dict[float, Run], used: float, found: Trials) -> Plot:
    points = sorted((math.log10(used * f), min(run.end, 2 * abs(found.start) + 1)) for f, run in runs.items())
    return Plot(
        "range test", "log10 of the rate", f"loss after {found.pass_steps * found.passes} steps", {"loss": points}
    )


def _too_high_at_the_end(case: Case, found: Trials) -> Finding | None:
    """A loss that no longer falls, and falls at once when the rate is a tenth."""
    rates = [max(moved.rates) for moved in found.moves]
    losses = found.losses
    if not rates or len(losses) < 100 or min(rates) < 0.5 * max(rates) or case.left < LEFT:
        return None
    quarter = len(losses) // 4
    third, fourth = (sum(part) / quarter for part in (losses[-2 * quarter : -quarter], losses[-quarter:]))
    if third - fourth > 0.05 * abs(found.start) or found.whole < 0.3 * found.start:
        return None
    same, tenth = found.run(onward=True, steady=True), found.run(onward=True, steady=True, scale=0.1)
    if min(same.end, found.whole) - tenth.end < 0.25 * abs(found.start):
        return None
    used = base_rate(found)
    return Finding(
        "rate-too-high",
        "The learning rate is too high for the end: the loss stays where it is, and falls at a tenth of the rate.",
        "fault",
        0.75,
        (
            Fact("mean loss in the third and fourth quarter", f"{number(third)}, {number(fourth)}"),
            Fact("loss after a few more steps at a tenth of the rate", number(tenth.end)),
        ),
        f"A rate of {number(used / 10)}, or a schedule that lowers it.",
        case.place(case.optimizer_line),
        Tried("a tenth of the rate, from the last weights on", number(same.end), number(tenth.end), True),
        ("loss-oscillates", "loss-does-not-move"),
    )


@check("loss-does-not-move", "loss-diverges")
def loss_at_the_end(case: Case) -> Iterator[Finding]:
    """Symptoms: a loss that is where it was, or above."""
    losses = case.losses
    if len(losses) < LONG_ENOUGH or not all(map(math.isfinite, losses)) or len(case.optimizers) > 1:
        return
    tenth = max(5, len(losses) // 10)
    first, last = sum(losses[:3]) / 3, sum(losses[-tenth:]) / tenth
    facts = (Fact("loss at first and at last", f"{number(first)}, {number(last)} after {len(losses)} passes"),)
    if last > 2 * abs(first) and min(losses) >= 0:
        yield Finding(
            "loss-diverges",
            "The loss ends far above where it began.",
            "warning",
            0.55,
            facts,
            "Look at the rate, the order of the steps and the scale of inputs and targets.",
        )
    elif abs(first - last) < LEAST_DROP / 2 * abs(first) and min(losses) > first - 0.1 * abs(first):
        yield Finding(
            "loss-does-not-move",
            "The loss stays where it began.",
            "warning",
            0.5,
            facts,
            "Look at the rate and at the scale of the first weights.",
        )
