"""Learning rates over time: step t of T, base rate lr.

Source:
    LECTURES B9.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def step_rate(lr: float, epoch: float, milestones: Sequence[float] = (30, 60, 90)) -> float:
    """x 0.1 at each milestone.

    Example:
        >>> [round(step_rate(1.0, epoch), 4) for epoch in (0, 30, 60, 90)]
        [1.0, 0.1, 0.01, 0.001]
    """
    return lr * 0.1 ** sum(epoch >= milestone for milestone in milestones)


def cosine_rate(lr: float, t: float, T: float) -> float:
    """lr/2 (1 + cos(pi t/T)).

    Example:
        >>> [round(cosine_rate(1.0, t, 10), 4) for t in (0, 5, 10)]
        [1.0, 0.5, 0.0]
    """
    return float(lr / 2 * (1 + np.cos(np.pi * t / T)))


def linear_rate(lr: float, t: float, T: float) -> float:
    """lr (1 - t/T).

    Example:
        >>> linear_rate(1.0, 5, 10)
        0.5
    """
    return lr * (1 - t / T)


def inverse_sqrt_rate(lr: float, t: float) -> float:
    """lr / sqrt(t), t from 1.

    Example:
        >>> inverse_sqrt_rate(1.0, 4)
        0.5
    """
    return float(lr / np.sqrt(t))


def warmup_factor(t: float, warmup: float) -> float:
    """Rises linearly from 1/warmup at t = 0 to 1 at t = warmup - 1, and stays.

    Example:
        >>> [warmup_factor(t, 4) for t in (0, 1, 3, 100)]
        [0.25, 0.5, 1.0, 1.0]
    """
    return min(1.0, (t + 1) / warmup) if warmup > 0 else 1.0
