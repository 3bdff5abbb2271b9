"""Learning-rate schedules: the rate at time t of T, from the base rate lr.

t counts steps or epochs from 0 (`inverse_sqrt_rate`: from 1).

    >>> [round(cosine_rate(0.1, t, 4), 4) for t in range(5)]
    [0.1, 0.0854, 0.05, 0.0146, 0.0]

Source: LECTURES B9.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def constant_rate(lr: float) -> float:
    """Return lr, always."""
    return lr


def step_rate(lr: float, epoch: float, milestones: Sequence[float] = (30, 60, 90), factor: float = 0.1) -> float:
    """Return lr times the factor for each milestone reached: x 0.1 at epochs 30, 60 and 90.

    Example:
        >>> [round(step_rate(1.0, epoch), 4) for epoch in (0, 29, 30, 60, 90)]
        [1.0, 1.0, 0.1, 0.01, 0.001]
    """
    return lr * factor ** sum(epoch >= m for m in milestones)


def cosine_rate(lr: float, t: float, T: float) -> float:
    """Return lr/2 (1 + cos(pi t/T)): slow at both ends, from lr to 0."""
    return lr / 2 * (1 + math.cos(math.pi * t / T))


def cyclic_rate(lr: float, t: float, T: float, cycles: int) -> float:
    """Return lr/2 (1 + cos(pi u/L)), u = t mod L, L = ceil(T/cycles): the cosine, begun anew in each cycle.

    At the end of each cycle the rate is near 0, so the weights have settled: those are the snapshots.

    Example:
        >>> [round(cyclic_rate(1.0, t, 6, 2), 4) for t in range(6)]
        [1.0, 0.75, 0.25, 1.0, 0.75, 0.25]

    Source:
        LECTURES B14. Huang et al. 2017 (Snapshot ensembles), equation 2.
    """
    L = math.ceil(T / cycles)
    return lr / 2 * (1 + math.cos(math.pi * (t % L) / L))


def linear_rate(lr: float, t: float, T: float) -> float:
    """Return lr (1 - t/T): a straight line from lr to 0.

    Example:
        >>> [linear_rate(1.0, t, 4) for t in range(5)]
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    return lr * (1 - t / T)


def inverse_sqrt_rate(lr: float, t: float) -> float:
    """Return lr / sqrt(t), t from 1.

    Example:
        >>> [inverse_sqrt_rate(1.0, t) for t in (1, 4, 16)]
        [1.0, 0.5, 0.25]
    """
    return lr / math.sqrt(t)


def noam_rate(d: float, t: float, warm: float) -> float:
    """Return d^-0.5 min(t^-0.5, t warm^-1.5), t from 1: the rate of the paper's Transformer of width d.

    It rises linearly for `warm` steps and falls as 1/sqrt(t) afterwards.

    Example:
        >>> [noam_rate(4, t, 4) for t in (1, 4, 16)]
        [0.0625, 0.25, 0.125]

    Source:
        LECTURES B9, H9. Vaswani et al. 2017, 5.3.
    """
    return d**-0.5 * min(t**-0.5, t * warm**-1.5)


def warm_up_rate(rate: Callable[[float, float], float], t: float, T: float, warm: int) -> float:
    """Return `rate`, after a linear warm-up of some steps.

    In the first `warm` steps the rate rises linearly: 1/warm, 2/warm, ... of the schedule's own first value. The
    schedule then runs over the T - warm steps that remain.

    Args:
        rate: A schedule (t, T) -> rate, such as `lambda t, T: cosine_rate(0.1, t, T)`.
        t: Steps taken.
        T: Steps in all.
        warm: Steps of warm-up, 0 to T - 1.

    Example:
        >>> [warm_up_rate(lambda t, T: linear_rate(1.0, t, T), t, T=8, warm=4) for t in range(8)]
        [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    if t < warm:
        return (t + 1) / warm * rate(0, T - warm)
    return rate(t - warm, T - warm)
