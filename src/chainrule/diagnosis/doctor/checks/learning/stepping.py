"""Schedules that are stepped never, too rarely or too often, and groups of weights without a rate."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Scheduled
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning._loop import looks_random, number
from chainrule.diagnosis.doctor.checks.learning._trials import trials
from chainrule.diagnosis.doctor.checks.learning.schedules import EXPLAINED, FEW, stepped_times
from chainrule.diagnosis.doctor.findings import Fact, Finding

ROUNDS = 3
"""Lengths of a cosine from which on it is no last lap."""


@check("rate-is-zero")
def rate_of_a_group_is_zero(case: Case) -> Iterator[Finding]:
    """A group of weights whose own rate is zero all the time, while others learn."""
    found = trials(case)
    rates = [moved.rates for moved in found.moves]
    if len({id(moved.optimizer) for moved in found.moves}) != 1 or len(rates) < FEW or len(rates[0]) < 2:
        return
    still = [place for place in range(len(rates[0])) if all(len(r) > place and r[place] == 0.0 for r in rates)]
    groups = found.moves[0].optimizer.param_groups
    idle = [p for place in still for p in groups[place]["params"] if id(p) in case.seen.reached]
    if not idle or len(still) == len(rates[0]):
        return
    elements = sum(p.numel() for p in idle)
    share_of_all = elements / sum(p.numel() for group in groups for p in group["params"])
    random = [looks_random(p) for p in idle]
    meant = any(each is False for each in random) and not any(random)  # trained elsewhere
    yield Finding(
        "rate-is-zero",
        f"The learning rate of {len(still)} of {len(groups)} groups of weights is zero in every step.",
        "note" if meant else "fault",
        0.4 if meant else 0.9,
        (
            Fact("weights that never learn for it", f"{elements:,} ({share_of_all:.0%} of all)"),
            Fact("they look", "trained" if meant else "as they were drawn at random, or set, at first"),
        ),
        "A rate for each group, or `requires_grad_(False)` for what is to stay.",
        case.place(case.optimizer_line),
        explains=() if meant else EXPLAINED,
    )


@check("schedule-goes-around")
def schedule_goes_around(case: Case) -> Iterator[Finding]:
    """A cosine that is stepped many times its length: the rate falls and rises again, over and over."""
    for each in case.seen.of(Scheduled):
        length = int(getattr(each.scheduler, "T_max", 0) or 0)
        stepped = stepped_times(each.scheduler)
        if type(each.scheduler).__name__ != "CosineAnnealingLR" or not 0 < ROUNDS * length < stepped:
            continue
        rates = [max(m.rates) for m in case.moves if m.optimizer is each.scheduler.optimizer]
        per_batch = stepped >= 0.8 * len(rates)
        yield Finding(
            "schedule-goes-around",
            f"The cosine is {length} steps long and stepped {stepped} times: the rate goes down and up again "
            f"{stepped / (2 * length):.0f} times.",
            "warning",
            0.7,
            (
                Fact("length, and steps of the schedule", f"{length}, {stepped}"),
                Fact("steps of its optimizer", f"{len(rates)}"),
                Fact("rate at last, and highest", f"{number(rates[-1])}, {number(max(rates))}" if rates else "unknown"),
            ),
            "Call `scheduler.step()` once an epoch, or give T_max in batches."
            if per_batch
            else "T_max as long as the training.",
            case.place(each.line),
            explains=EXPLAINED,
        )
        return


@check("schedule-never-stepped", "schedule-stepped-too-rarely")
def schedule_steps(case: Case) -> Iterator[Finding]:
    """Schedules that were made and not stepped, or once an epoch where their length counts batches."""
    made: list[Scheduled] = case.seen.of(Scheduled)
    if len(case.moves) < FEW or any(hasattr(m.scheduler, "_schedulers") for m in made):
        return  # of schedules made of others each has its time
    for each in made:
        optimizer = getattr(each.scheduler, "optimizer", None)
        moves = [moved for moved in case.moves if moved.optimizer is optimizer]
        after = [b for b in case.seen.of(Backward) if b.at > each.at]
        if len(moves) < FEW or not after or not case.seen.complete:
            continue
        stepped = stepped_times(each.scheduler)
        groups = moves[0].optimizer.param_groups
        base = max((float(g.get("max_lr", g.get("initial_lr", g["lr"]))) for g in groups), default=0.0)
        starts_low = base > 0 and max(moves[0].rates) < 0.2 * base
        length = int(getattr(each.scheduler, "total_steps", 0) or getattr(each.scheduler, "T_max", 0) or 0)
        if stepped <= 0:
            yield Finding(
                "schedule-never-stepped",
                "A schedule of the rate is made and never stepped.",
                "fault" if starts_low else "warning",
                0.9 if starts_low else 0.65,
                (
                    Fact("steps of the schedule", "0"),
                    Fact("steps of its optimizer", f"{len(moves)}"),
                    Fact("rate all the time", f"{number(max(moves[0].rates))} (base rate {number(base)})"),
                ),
                "Call `scheduler.step()` after each epoch (or batch, where it counts batches).",
                case.place(each.line),
                explains=("rate-too-low",) if starts_low else (),
            )
        elif length >= 0.8 * len(moves) and stepped < 0.25 * min(length, len(moves)):
            yield Finding(
                "schedule-stepped-too-rarely",
                f"The schedule is {length} steps long and was stepped {stepped} times: it counts batches, "
                "and is stepped once an epoch.",
                "fault" if starts_low else "warning",
                0.85 if starts_low else 0.6,
                (
                    Fact("length of the schedule", f"{length}"),
                    Fact("steps of it", f"{stepped}"),
                    Fact("steps of its optimizer", f"{len(moves)}"),
                ),
                "Call `scheduler.step()` in each batch, or give its length in epochs.",
                case.place(each.line),
                explains=("rate-too-low",) if starts_low else (),
            )
