"""Factors of the base rate at step t of T, each with optional linear warm-up.

A warm-up of a share below 1 is that share of the steps; of 1 or more, that many steps. While it lasts the factor rises
linearly and reaches the schedule's own first value at its end; the schedule runs over the steps that remain.

Source:
    LECTURES B9.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def constant(t: float, steps: int, *, warmup: float = 0.0) -> float:
    """Return 1.

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

    Example:
        >>> [round(step(t, 100, milestones=[0.3, 0.6, 0.9]), 4) for t in (0, 30, 60, 90)]
        [1.0, 0.1, 0.01, 0.001]
    """

    def passed(u: float, n: float) -> float:
        return factor ** sum(u >= (m * n if m < 1 else m) for m in milestones)

    return _warmed(passed, t, steps, warmup)


def cosine(t: float, steps: int, *, warmup: float = 0.0, final: float = 0.0) -> float:
    """Return (1 + cos(pi t/T)) / 2, from 1 down to `final`.

    Example:
        >>> [round(cosine(t, 10), 4) for t in (0, 5, 10)]
        [1.0, 0.5, 0.0]
    """
    return _warmed(
        lambda u, n: final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, u / max(n, 1)))), t, steps, warmup
    )


def linear(t: float, steps: int, *, warmup: float = 0.0, final: float = 0.0) -> float:
    """Return 1 - t/T, from 1 down to `final`.

    Example:
        >>> [linear(t, 10) for t in (0, 5, 10)]
        [1.0, 0.5, 0.0]
    """
    return _warmed(lambda u, n: final + (1 - final) * (1 - min(1.0, u / max(n, 1))), t, steps, warmup)


def inverse_sqrt(t: float, steps: int, *, warmup: float = 0.0) -> float:
    """Return 1 / sqrt(t), t from 1.

    Example:
        >>> [inverse_sqrt(t, 100) for t in (0, 3, 15)]
        [1.0, 0.5, 0.25]
    """
    return _warmed(lambda u, n: 1 / math.sqrt(u + 1), t, steps, warmup)


def _warmed(schedule: Callable[[float, float], float], t: float, steps: int, warmup: float) -> float:
    length = math.floor(warmup * steps) if warmup < 1 else int(warmup)
    if t < length:
        return (t + 1) / length * schedule(0.0, steps - length)
    return schedule(t - length, steps - length)
