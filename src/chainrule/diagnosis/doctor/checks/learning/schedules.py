"""Schedules of the rate: zero for long, gone too soon, rising without end, never stepped."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Line, Scheduled
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning._loop import number, share
from chainrule.diagnosis.doctor.checks.learning._trials import Trials, trials
from chainrule.diagnosis.doctor.findings import Fact, Finding, Plot, Tried

FEW = 10
"""Steps below which a schedule has not shown what it does."""
LOW = 0.02
"""Share of the highest rate below which hardly anything is learned; ends of cosine and linear schedules are there for
a tenth of the steps."""
LONG = 0.4
"""Share of the steps that may be below it."""
EARLY = 0.8
"""Share of the steps from which on a schedule that is stepped in each batch was made for epochs."""
STILL = 0.02
"""Share of the first loss below which it stays where it is."""
LEFT = 0.3
"""Share of the first loss that must be left for more to be there to learn."""
EXPLAINED = ("rate-too-low", "loss-does-not-move", "too-few-steps", "stopped-too-early", "underfits")
"""What a rate that is nearly nothing looks like."""


def _rates(found: Trials) -> list[float]:
    """The highest rate of the groups at each step of one optimizer."""
    if len({id(moved.optimizer) for moved in found.moves}) != 1:
        return []
    return [max(moved.rates, default=0.0) for moved in found.moves]


def _line(case: Case) -> Line | None:
    return next((each.line for each in case.seen.of(Scheduled)), None)


def _plot(rates: list[float]) -> Plot:
    step = max(1, len(rates) // 100)
    return Plot("rate", "step", "learning rate", {"rate": [(i, rates[i]) for i in range(0, len(rates), step)]})


@check("rate-is-zero")
def rate_is_zero(case: Case) -> Iterator[Finding]:
    """Steps at a rate of zero: a warm-up that never warms, or a schedule that is over."""
    rates = _rates(trials(case))
    zero = [rate == 0.0 for rate in rates]
    if len(rates) < FEW or share(zero) < 0.1 or sum(zero) < FEW:
        return
    leading = next((place for place, each in enumerate(zero) if not each), len(zero))
    at_first = leading >= 0.5 * sum(zero)
    if not at_first and share(zero) < 0.3:
        return
    yield Finding(
        "rate-is-zero",
        f"The learning rate is zero in {sum(zero)} of {len(rates)} steps"
        + (": the warm-up does not begin." if at_first else ": the schedule is over too soon."),
        "fault",
        0.96 if at_first else 0.9,
        (Fact("steps at rate 0", f"{share(zero):.0%} (usual: none or one)"), Fact("highest rate", number(max(rates)))),
        "Divide by `/`, not `//`, in the warm-up's factor, and begin at (step + 1) / warm_up."
        if at_first
        else "Let the schedule end with the training: count its length in the unit in which it is stepped.",
        case.place(_line(case)),
        explains=EXPLAINED,
        plot=_plot(rates),
    )


@check("schedule-kills-rate", experiment=True)
def schedule_kills_rate(case: Case) -> Iterator[Finding]:
    """A rate that is next to nothing for most of the training: stepped in each batch, but counted in epochs.

    A loss that stays where it is may be all that can be learned: where a higher rate was tried, that decides.
    """
    found = trials(case)
    rates = _rates(found)
    if len(rates) < FEW or not max(rates) > 0.0:
        return
    low = [0.0 < rate < LOW * max(rates) for rate in rates]
    peak = rates.index(max(rates))
    if share(low) < LONG or peak > 0.3 * len(rates) or not any(low[-3:]):
        return
    first = next(place for place in range(peak, len(rates)) if low[place])
    stepped = max((stepped_times(each.scheduler) for each in case.seen.of(Scheduled)), default=0)
    per_batch = stepped >= 0.8 * len(rates)
    tried, helps = _at_peak(found)
    early = per_batch and share(low) > EARLY
    if not helps and not early and (tried is not None or not _wasted(found, low)):
        return
    yield Finding(
        "schedule-kills-rate",
        f"After {first} of {len(rates)} steps the learning rate is below {LOW:.0%} of what it was"
        + (": nothing more is learned." if helps else "."),
        "fault" if helps else "warning" if tried is None else "note",
        0.95 if helps else 0.8 if early else 0.6,
        (
            Fact("rate at first, highest, at last", ", ".join(map(number, (rates[0], max(rates), rates[-1])))),
            Fact("steps below it", f"{share(low):.0%}"),
            Fact("steps of the schedule", f"{stepped} for {len(rates)} of the optimizer"),
        ),
        "Call `scheduler.step()` once an epoch, or count the schedule's length in batches."
        if per_batch
        else "A schedule that falls more slowly.",
        case.place(_line(case)),
        tried,
        EXPLAINED,
        _plot(rates),
    )


def _at_peak(found: Trials) -> tuple[Tried | None, bool]:
    """Whether the loss falls again when the highest rate is taken from the last weights on."""
    if not found.possible or found.learned:
        return None, False
    runs = []
    for scale in (1.0, 0.3, 0.1):  # an optimizer without its averages jumps at first, at the highest rate
        run = found.run(onward=True, steady=True, scale=scale, passes=2)
        now = min(found.whole, run.end + run.drop)
        helps = run.drop > max(0.15 * abs(now), 2 * run.error)
        what = "the highest rate" if scale == 1.0 else f"{scale:g} of the highest rate"
        runs.append((run.end, Tried(f"{what}, from the last weights on", number(now), number(run.end), helps)))
        if helps:
            break
    best = min(runs, key=lambda pair: pair[0])[1]
    return best, best.helped


def _wasted(found: Trials, low: list[bool]) -> bool:
    """Whether the loss stays where it is, far from nothing, in all the steps at the end that hardly have a rate."""
    last = next((place for place in range(len(low) - 1, -1, -1) if not low[place]), 0)
    tail = found.losses[last + 1 :] if len(found.losses) == len(low) else []
    if len(tail) < max(FEW, LONG * len(low)) or found.learned:
        return False
    third = len(tail) // 3
    begun, ended = sum(tail[:third]) / third, sum(tail[-third:]) / third
    return abs(begun - ended) < STILL * abs(found.start) and ended > LEFT * abs(found.start)


def stepped_times(scheduler: object) -> int:
    """How often a schedule was stepped; the first is its own."""
    return max(int(getattr(scheduler, "_step_count", 1) or 1), int(getattr(scheduler, "last_epoch", 0) or 0) + 1) - 1


@check("rate-rises-without-end", "warm-up-too-long", experiment=True)
def rate_rises(case: Case) -> Iterator[Finding]:
    """A rate that is highest at the very end."""
    found = trials(case)
    rates = _rates(found)
    if len(rates) < FEW or rates[-1] < 0.999 * max(rates) or rates[-1] < 5 * max(rates[0], 1e-30):
        return
    rising = share([b >= a for a, b in pairwise(rates)])
    if rising < 0.99 or share([rate < 0.9 * max(rates) for rate in rates]) < 0.7:
        return
    steps = (rates[-1] - rates[len(rates) // 2]) / max(rates[len(rates) // 2] - rates[0], 1e-30)
    grows = steps > 1.5  # more in the second half than in the first: it multiplies
    losses = found.losses
    base = max((float(g.get("initial_lr", 0.0)) for g in found.moves[0].optimizer.param_groups), default=0.0)
    up = max(1.0, base / rates[-1])  # where the warm-up would have led to
    worse = bool(losses) and found.whole > min(losses) + 0.3 * abs(found.start - min(losses))
    if grows or (worse and min(losses) < 0.5 * found.start):
        yield Finding(
            "rate-rises-without-end",
            "The learning rate grows with each step of the schedule, and never falls.",
            "fault" if worse else "warning",
            0.9 if worse else 0.6,
            (
                Fact("rate at first and at last", f"{number(rates[0])}, {number(rates[-1])}"),
                Fact("lowest loss, and loss at last", f"{number(min(losses))}, {number(found.whole)}"),
            ),
            "A factor (gamma) below one.",
            case.place(_line(case)),
            explains=("rate-too-high", "loss-diverges"),
            plot=_plot(rates),
        )
    elif found.possible and not found.learned and found.beats_all(run := found.run(scale=up, steady=True)):
        yield Finding(
            "warm-up-too-long",
            "The training is over before the warm-up is: the rate is too low nearly all the time.",
            "fault",
            0.93,
            (
                Fact("rate at first and at last", f"{number(rates[0])}, {number(rates[-1])}"),
                Fact("rate that the warm-up leads to", number(up * rates[-1])),
            ),
            "A warm-up over a tenth of the steps.",
            case.place(_line(case)),
            Tried(
                f"rate {number(up * rates[-1])} from the first step on",
                found.words(found.base.end),
                found.words(run.end),
                True,
            ),
            EXPLAINED,
            _plot(rates),
        )
