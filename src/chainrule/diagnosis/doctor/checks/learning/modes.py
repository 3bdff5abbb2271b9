"""Training mode and evaluation mode, each at the wrong time, in part, or without effect."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Forward, Moved, is_network
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning._loop import share, training_calls
from chainrule.diagnosis.doctor.checks.learning._modes import (
    answer,
    difference,
    has_modes,
    moded,
)
from chainrule.diagnosis.doctor.findings import Fact, Finding

DIFFERS = 1e-3
"""Relative difference of answers above which a mode matters: rounding is a thousand times smaller."""
OFTEN = 0.5
"""Share of the steps with a call without learning beside them, above which it may be a part of the step: targets, a
generator's pictures."""
MANY = 4
"""Times that one batch is evaluated again to average over dropout: then it is meant."""


def evaluating(case: Case) -> list[Forward]:
    """Calls of networks that learn elsewhere, with which nothing is learned, and that are no part of a step."""
    cycles, rest = _between_backwards(case)
    learning = {id(f.module) for cycle in cycles for f in cycle if f.grad}
    usual = median([sum(f.grad for f in cycle) for cycle in cycles]) if cycles else 0
    without = [[f for f in cycle if not f.grad] for cycle in cycles]
    beside = share([bool(found) for found in without]) > OFTEN
    calls: list[Forward] = []
    for cycle, found in zip(cycles, without):
        recorded = [f for f in cycle if f.grad]
        extra = recorded[: max(0, len(recorded) - int(usual))]  # the last ones are what was learned from
        calls += extra + (_held_out(found, cycles) if beside else found)
    return [f for f in calls + rest if id(f.module) in learning]


def _between_backwards(case: Case) -> tuple[list[list[Forward]], list[Forward]]:
    """The calls of networks before each backward pass, and those after the last."""
    done: list[list[Forward]] = []
    now: list[Forward] = []
    for event in case.seen.events:
        if isinstance(event, Forward) and is_network(event.module):
            now.append(event)
        elif isinstance(event, Backward):
            done.append(now)
            now = []
    return done, now


def _held_out(calls: list[Forward], cycles: list[list[Forward]]) -> list[Forward]:
    """Those whose examples come again later and are never learned from: no targets, no generated examples."""
    taught = {int(row) for cycle in cycles for f in cycle if f.grad and f.rows is not None for row in f.rows[:4]}
    times = Counter(int(f.rows[0]) for cycle in cycles for f in cycle if not f.grad and f.rows is not None)
    return [f for f in calls if f.rows is not None and times[int(f.rows[0])] > 1 and int(f.rows[0]) not in taught]


@check("evaluated-in-training-mode", experiment=True)
def evaluated_in_training_mode(case: Case) -> Iterator[Finding]:
    """Evaluation with dropout or the batch's own statistics."""
    calls = evaluating(case)
    wrong = [f for f in calls if f.training]
    if not wrong or len(wrong) < 0.3 * len(calls):
        return
    if len(wrong) > MANY and _averaged(case, wrong):
        return  # one batch many times over: answers with dropout are averaged
    found = next((f for f in reversed(wrong) if f.given is not None), None)
    kept = [f for f in case.forwards if f.module is wrong[-1].module and f.given is not None]
    found = found or (kept[-1] if kept else None)
    if found is None:
        return
    apart = difference(
        answer(found.module, found, training=True, seed=1), answer(found.module, found, training=False, seed=1)
    )
    if apart is None or apart < DIFFERS:
        return
    names = moded(found.module)
    kinds = sorted({type(found.module.get_submodule(name)).__name__ for name in names})
    yield Finding(
        "evaluated-in-training-mode",
        "The network is evaluated in training mode: what drops or normalizes by the batch is active.",
        "fault",
        0.93,
        (
            Fact("calls without learning in training mode", f"{len(wrong)} of {len(calls)}"),
            Fact("difference of the answers in the two modes", f"{apart:.1%} of their norm (should not matter: 0)"),
            Fact("modules that act otherwise in training", ", ".join(kinds) or "own ones"),
        ),
        "`model.eval()` before evaluating, and `model.train()` before training on.",
        case.place(wrong[-1].line),
        explains=("overfits",),
    )


def _averaged(case: Case, calls: list[Forward]) -> bool:
    """Whether one batch comes many times in a row, with no step in between."""
    steps = sorted(moved.at for moved in case.moves)
    same = [
        a.rows is not None
        and b.rows is not None
        and a.rows.shape == b.rows.shape
        and bool((a.rows == b.rows).all())
        and bisect(steps, a.at) == bisect(steps, b.at)
        for a, b in pairwise(calls)
    ]
    return share(same) > 0.7


@check("trained-in-evaluation-mode", "modules-in-another-mode", experiment=True)
def trained_in_evaluation_mode(case: Case) -> Iterator[Finding]:
    """Training without dropout or the batch's statistics, for nobody has switched back."""
    calls = list(training_calls(case))
    if len(calls) < 4:
        return
    off = [not forward.training for forward, _ in calls]
    module = calls[-1][0].module
    names = moded(module)
    if share(off) >= 0.3 and (names or _matters(case, module)):
        first = off.index(True)
        if first == 0 and all(off) and _settled(case, module, names):
            yield Finding(
                "trained-in-evaluation-mode",
                "Normalization and dropout are frozen all the time.",
                "note",
                0.3,
                (Fact("statistics of batch normalization", "as they came with the weights"),),
            )
            return
        switched = first > 0
        yield Finding(
            "trained-in-evaluation-mode",
            "The network is trained in evaluation mode"
            + (": it is never switched back after the first evaluation." if switched else "."),
            "fault",
            0.93 if switched or _normalizes(module, names) else 0.75,
            (
                Fact("backward passes in evaluation mode", f"{share(off):.0%}, from the {first + 1}th on"),
                Fact("modules that act otherwise in training", ", ".join(names[:4]) or "own ones"),
            ),
            "`model.train()` at the beginning of each epoch.",
            case.place(calls[first][0].line),
            explains=("overfits",),
        )
    mixed = next((f for f, _ in reversed(calls) if f.training and f.mixed), None)
    if mixed is not None:
        yield from _mixed(case, mixed)


def _matters(case: Case, module: nn.Module) -> bool:
    """Whether a network without modules that are known for it answers otherwise in training."""
    kept = next((f for f in case.forwards if f.module is module and f.given is not None), None)
    if kept is None:
        return False
    apart = difference(answer(module, kept, training=True, seed=1), answer(module, kept, training=False, seed=1))
    return apart is not None and apart > DIFFERS


def _settled(case: Case, module: nn.Module, names: list[str]) -> bool:
    """Whether all of the modules are batch normalizations that came with statistics of their own."""
    return bool(names) and all(_has_statistics(case, module.get_submodule(name)) for name in names)


def _has_statistics(case: Case, module: nn.Module) -> bool:
    if not isinstance(module, _BatchNorm) or module.running_var is None:
        return False
    first = case.seen.initial.get(id(module.running_var), module.running_var)
    return bool((first != 1.0).any())


def _normalizes(module: nn.Module, names: list[str]) -> bool:
    return any(isinstance(module.get_submodule(name), _BatchNorm) for name in names)


def _mixed(case: Case, forward: Forward) -> Iterator[Finding]:
    """Parts in evaluation mode while the network learns: told from frozen ones, which are meant to be."""
    parts = dict(forward.module.named_modules())
    odd = [
        name
        for name in forward.mixed
        if name in parts
        and has_modes(parts[name])
        and not _has_statistics(case, parts[name])
        and (isinstance(parts[name], _BatchNorm) or _learns_around(parts, name))
    ]
    odd = [name for name in odd if not _frozen(parts[name])]
    if odd:
        yield Finding(
            "modules-in-another-mode",
            "Parts of the network stay in evaluation mode while it is trained.",
            "warning",
            0.6,
            (Fact("in evaluation mode", ", ".join(odd[:4])),),
            "`model.train()` of the whole network, unless this is meant.",
            odd[0],
        )


def _frozen(module: nn.Module) -> bool:
    return not any(p.requires_grad for p in module.parameters()) and any(True for _ in module.parameters())


def _learns_around(parts: dict[str, nn.Module], name: str) -> bool:
    """Whether the module that a part lies in has weights that learn."""
    return any(p.requires_grad for p in parts[name.rpartition(".")[0]].parameters())


@check("gradients-in-evaluation")
def gradients_in_evaluation(case: Case) -> Iterator[Finding]:
    """Calls in evaluation mode that record what gradients would need, and no backward pass after them."""
    events = [event for event in case.seen.events if isinstance(event, (Forward, Backward, Moved))]
    loose = [
        event
        for event, after in zip(events, [*events[1:], None])
        if isinstance(event, Forward)
        and not event.training
        and event.grad
        and not isinstance(after, Backward)
        and any(p.requires_grad for p in event.module.parameters())
    ]
    if not loose:
        return
    yield Finding(
        "gradients-in-evaluation",
        "Evaluation records what gradients would need: it takes more memory and time than it must.",
        "note",
        0.4,
        (Fact("calls in evaluation mode with gradients recorded", str(len(loose))),),
        "`with torch.no_grad():` around the evaluation.",
        case.place(loose[0].line),
    )
