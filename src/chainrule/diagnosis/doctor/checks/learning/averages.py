"""Averages of the weights that are evaluated in their place: too slow to arrive, or without statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Line
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning._loop import number
from chainrule.diagnosis.doctor.checks.learning._trials import trials
from chainrule.diagnosis.doctor.findings import Fact, Finding

BEHIND = 0.3
"""Share of the way from the first weights to the last that an average may lack; one over an epoch lacks a tenth."""
MOVED = 1e-4
"""Share of the way that an average must have gone: what has not moved at all is a copy of the first weights."""
WORSE = 1.5
"""How many times higher the loss of training batches must be with the average than with the last weights."""
CLEARLY = 0.1
"""Share of the first loss by which it must be higher, too."""

Pair = tuple[nn.Module, nn.Module, Line | None]


def averages(case: Case) -> list[Pair]:
    """Networks that are evaluated and learn nothing themselves, each with the one of equal shapes that learns."""
    taught = {id(f.module): f.module for f in case.forwards if f.grad and _reached(case, f.module)}
    found: dict[int, Pair] = {}
    for each in (e for passed in case.evaluations[-1:] for e in passed):
        module = each.forward.module
        twin = next((t for t in taught.values() if _shapes(t) == _shapes(module)), None)
        apart = not {id(p) for p in module.parameters()} & {id(p) for t in taught.values() for p in t.parameters()}
        if id(module) not in taught and twin is not None and apart and each.forward.at > _last_step(case):
            found[id(module)] = (module, twin, each.forward.line)
    return list(found.values())


def _reached(case: Case, module: nn.Module) -> bool:
    return any(id(p) in case.seen.reached for p in module.parameters())


def _shapes(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in module.parameters()]


def _last_step(case: Case) -> float:
    return case.moves[-1].at if case.moves else 0.0


@check("average-too-slow", experiment=True)
def average_too_slow(case: Case) -> Iterator[Finding]:
    """An average of the weights that is still near where they began, when they have arrived."""
    for average, twin, line in averages(case):
        share = _left(case, average, twin)
        found = trials(case)
        if share is None or not BEHIND <= share < 1.0 - MOVED or not found.possible:
            continue
        final = case.final
        swapped = {**final, **{id(p): a.detach().clone() for a, p in zip(average.parameters(), twin.parameters())}}
        mine, last = _loss(case, swapped), _loss(case, final)
        if not math.isfinite(last) or mine < max(WORSE * last, last + CLEARLY * abs(found.start)):
            continue
        yield Finding(
            "average-too-slow",
            f"The average of the weights that is evaluated lacks {share:.0%} of the way that the weights have gone.",
            "fault",
            0.93,
            (
                Fact("way of the weights that the average lacks", f"{share:.0%} (usual: below 10%)"),
                Fact("loss of training batches with the last weights, with the average", f"{_two(last, mine)}"),
                Fact("steps", f"{len(case.moves)}; a decay of d averages over the last 1 / (1 - d) steps"),
            ),
            f"A decay with 1 / (1 - decay) far below {len(case.moves)} steps ({_decay(len(case.moves))}), or one that "
            "rises from small ones: min(decay, (1 + t) / (10 + t)). Update it in every step, from a copy of the model.",
            case.place(line),
            explains=("overfits", "evaluated-another-model", "average-without-statistics"),
        )


def _two(one: float, other: float) -> str:
    return f"{number(one)}, {number(other)}"


def _decay(steps: int) -> str:
    return f"decay={1 - min(0.2, 20 / max(steps, 1)):.3g}"


@torch.no_grad()
def _left(case: Case, average: nn.Module, twin: nn.Module) -> float | None:
    """Which share of the way from the twin's first weights to its last ones an average still has before it."""
    way: list[Tensor] = []
    rest: list[Tensor] = []
    for mine, theirs in zip(average.parameters(), twin.parameters()):
        start = case.seen.initial.get(id(theirs))
        if start is None or start.shape != mine.shape:
            return None
        way.append((theirs - start).flatten().double())
        rest.append((theirs - mine).flatten().double())
    gone, missing = torch.cat(way), torch.cat(rest)
    length = float(gone.norm())
    return float(missing.norm()) / length if length > 0.0 else None


def _loss(case: Case, state: dict[int, Tensor]) -> float:
    """The mean loss of the recorded batches."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        found = trials(case)
        copies = {key: value.clone() for key, value in state.items()}
        losses = [float(found.rehearsal.loss(batch, copies).sum()) for batch in found.batches]
    return sum(losses) / len(losses)


@check("average-without-statistics")
def average_without_statistics(case: Case) -> Iterator[Finding]:
    """An average of the weights whose batch normalization never saw the data: its running statistics are the first."""
    for average, twin, line in averages(case):
        mine = [m for m in average.modules() if isinstance(m, _BatchNorm) and m.running_var is not None]
        theirs = [m for m in twin.modules() if isinstance(m, _BatchNorm) and m.running_var is not None]
        fresh = [m for m, t in zip(mine, theirs) if _untouched(m) and not _untouched(t)]
        if not fresh or any(module.training for module in fresh):
            continue
        yield Finding(
            "average-without-statistics",
            "The weights are averaged and the running statistics of batch normalization are not: those of the average "
            "are zero and one, as they were made.",
            "fault",
            0.94,
            (
                Fact("normalizations of the average whose statistics are as they were made", f"{len(fresh)}"),
                Fact("batches that the trained network's have seen", _seen(theirs[0])),
            ),
            "`torch.optim.swa_utils.update_bn(loader, average)` before evaluating; or copy the buffers as well.",
            case.place(line),
            explains=("overfits", "batch-norm-statistics-off", "evaluated-another-model"),
        )


def _untouched(module: _BatchNorm) -> bool:
    assert module.running_mean is not None
    assert module.running_var is not None
    return not bool(module.running_mean.any()) and bool((module.running_var == 1.0).all())


def _seen(module: _BatchNorm) -> str:
    return "unknown" if module.num_batches_tracked is None else f"{int(module.num_batches_tracked):,}"
