"""Factors of the base rate at step t of T, each with optional linear warm-up.

A warm-up of a share below 1 is that share of the steps; of 1 or more, that many steps. While it lasts the factor rises
linearly and reaches the schedule's own first value at its end; the schedule runs over the steps that remain. In a run
that is shorter than its warm-up the factor only rises.

Source:
    LECTURES B9.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from chainrule.core.errors import UsageError

_LESS = 1 - 1e-12
"""So that a share of the steps is meant as it is written: 0.29 * 100 and 0.55 * 100 are a little off 29 and 55."""


def constant(t: float, steps: int, *, warmup: float = 0.0) -> float:
    """Return 1.

    Args:
        t: Steps taken, from 0.
        steps: Steps in all, T.
        warmup: Share of the steps, or steps.

    Raises:
        UsageError: t or the warm-up is negative.

    Example:
        >>> [constant(t, 10, warmup=4) for t in (0, 1, 3, 9)]
        [0.25, 0.5, 1.0, 1.0]
    """
    return _warmed(lambda u, n: 1.0, t, steps, warmup)


def step(
    t: float, steps: int, *, milestones: Sequence[float] = (1 / 3, 2 / 3, 0.9), factor: float = 0.1, warmup: float = 0.0
) -> float:
    """Return factor^m, m the number of milestones passed; milestones are shares of the steps, or steps from 1 on.

    The lectures' "x 0.1 at epochs 30, 60, 90" of 100 is `milestones=[0.3, 0.6, 0.9]`.

    Args:
        t: Steps taken, from 0.
        steps: Steps in all, T.
        milestones: Above 0; counted after the warm-up.
        factor: Above 0.
        warmup: Share of the steps, or steps.

    Raises:
        UsageError: t, a milestone, the factor or the warm-up is out of range.

    Example:
        >>> [round(step(t, 100, milestones=[0.3, 0.6, 0.9]), 4) for t in (0, 30, 60, 90)]
        [1.0, 0.1, 0.01, 0.001]
    """
    if not 0 < factor < math.inf or any(not m > 0 for m in milestones):
        raise UsageError("step: milestones and factor are above 0", got=f"{list(milestones)} and {factor}")

    def passed(u: float, n: float) -> float:
        return factor ** sum(u >= m if m >= 1 else u >= m * n * _LESS and n > 0 for m in milestones)

    return _warmed(passed, t, steps, warmup)


def cosine(t: float, steps: int, *, warmup: float = 0.0, final: float = 0.0) -> float:
    """Return (1 + cos(pi t/T)) / 2, from 1 down to `final`.

    Args:
        t: Steps taken, from 0.
        steps: Steps in all, T.
        warmup: Share of the steps, or steps.
        final: At the end, in [0, 1].

    Raises:
        UsageError: t, the warm-up or the final factor is out of range.

    Example:
        >>> [round(cosine(t, 10), 4) for t in (0, 5, 10)]
        [1.0, 0.5, 0.0]
    """
    _check_final("cosine", final)
    return _warmed(lambda u, n: final + (1 - final) / 2 * (1 + math.cos(math.pi * _done(u, n))), t, steps, warmup)


def cyclic(t: float, steps: int, *, cycles: int = 5, warmup: float = 0.0, final: float = 0.0) -> float:
    """Return (1 + cos(pi u/L)) / 2 with u = t mod L and L = ceil(T/cycles): the cosine, begun anew in each cycle.

    The warm-up belongs to the first cycle, so the cycles end where `cycle_ends` says, with or without it.

    Args:
        t: Steps taken, from 0.
        steps: Steps in all, T.
        cycles: How many, at least 1.
        warmup: Share of the first cycle, or steps of it.
        final: At the end of each cycle, in [0, 1].

    Raises:
        UsageError: t, the cycles, the warm-up or the final factor is out of range.

    Example:
        >>> [round(cyclic(t, 8, cycles=2), 4) for t in range(8)]
        [1.0, 0.8536, 0.5, 0.1464, 1.0, 0.8536, 0.5, 0.1464]

    Source:
        LECTURES B14 (snapshots along one run). Huang et al. 2017, equation 2; Loshchilov and Hutter 2017.
    """
    length = _cycle(steps, cycles)
    first = t < length
    return cosine(t if first else t % length, length, warmup=warmup if first else 0.0, final=final)


def cycle_ends(steps: int, cycles: int) -> list[int]:
    """Return how many steps are taken at the end of each cycle; the last one ends with the run.

    Args:
        steps: Steps in all.
        cycles: How many, at least 1.

    Raises:
        UsageError: There are no cycles.

    Example:
        >>> cycle_ends(10, 3), cycle_ends(2, 5)
        ([4, 8, 10], [1, 2])
    """
    length = _cycle(steps, cycles)
    return [*range(length, steps, length), steps]


def _cycle(steps: int, cycles: int) -> int:
    """Steps of a cycle."""
    if cycles < 1:
        raise UsageError("cyclic: a run has cycles", expected="cycles: 1 or more", got=cycles)
    return max(1, -(-steps // cycles))


def linear(t: float, steps: int, *, warmup: float = 0.0, final: float = 0.0) -> float:
    """Return 1 - t/T, from 1 down to `final`.

    Args:
        t: Steps taken, from 0.
        steps: Steps in all, T.
        warmup: Share of the steps, or steps.
        final: At the end, in [0, 1].

    Raises:
        UsageError: t, the warm-up or the final factor is out of range.

    Example:
        >>> [linear(t, 10) for t in (0, 5, 10)]
        [1.0, 0.5, 0.0]
    """
    _check_final("linear", final)
    return _warmed(lambda u, n: final + (1 - final) * (1 - _done(u, n)), t, steps, warmup)


def inverse_sqrt(t: float, steps: int, *, warmup: float = 0.0) -> float:
    """Return 1 / sqrt(t), t from 1: the first step, t = 0 here, has the factor 1.

    Args:
        t: Steps taken, from 0.
        steps: Steps in all, T.
        warmup: Share of the steps, or steps.

    Raises:
        UsageError: t or the warm-up is negative.

    Example:
        >>> [inverse_sqrt(t, 100) for t in (0, 3, 15)]
        [1.0, 0.5, 0.25]
    """
    return _warmed(lambda u, n: 1 / math.sqrt(u + 1), t, steps, warmup)


def noam(t: float, steps: int, *, warmup: float = 0.1) -> float:
    """Return min(t/w, sqrt(w/t)), t from 1: linear up to 1 at the end of the warm-up of w steps, then 1 / sqrt(t).

    The paper's rate d^-0.5 min(t^-0.5, t w^-1.5) is this with the base rate (d w)^-0.5.

    Args:
        t: Steps taken, from 0.
        steps: Steps in all, T.
        warmup: Share of the steps, or steps; at least one step.

    Raises:
        UsageError: t or the warm-up is negative.

    Example:
        >>> [noam(t, 100, warmup=4) for t in (0, 1, 3, 15, 63)]
        [0.25, 0.5, 1.0, 0.5, 0.25]

    Source:
        Vaswani et al. 2017, 5.3.
    """
    warm = max(1, _warm_steps(t, steps, warmup))
    return min((t + 1) / warm, math.sqrt(warm / (t + 1)))


def _warmed(schedule: Callable[[float, float], float], t: float, steps: int, warmup: float) -> float:
    length = _warm_steps(t, steps, warmup)
    if t < length:
        return (t + 1) / length * schedule(0.0, steps - length)
    return schedule(t - length, steps - length)


def _warm_steps(t: float, steps: int, warmup: float) -> int:
    """The steps that a warm-up lasts."""
    if not (t >= 0 and 0 <= warmup < math.inf):
        raise UsageError(
            "a schedule counts from 0", expected="t and warmup at least 0, finite", got=f"{t} and {warmup}"
        )
    return math.floor(warmup * steps / _LESS) if warmup < 1 else int(warmup)


def _done(t: float, steps: float) -> float:
    """The share of the steps that is done; 0 where there are none."""
    return min(1.0, t / steps) if steps > 0 else 0.0


def _check_final(name: str, final: float) -> None:
    if not 0 <= final <= 1:
        raise UsageError(f"{name}: final is the factor at the end", expected="0 to 1", got=final)
