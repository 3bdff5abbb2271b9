"""The share of inputs that are the ground truth at step t of T, while a network learns to write.

Source:
    LECTURES G4 (scheduled sampling). Bengio et al. 2015, 2.4.
"""

from __future__ import annotations

import math

from chainrule.core.errors import UsageError


def forced(t: float, steps: int) -> float:
    """Return 1: teacher forcing.

    Args:
        t: Steps taken, from 0.
        steps: Steps in all, T.

    Example:
        >>> forced(7, 10)
        1.0
    """
    return 1.0


def linear_teaching(
    t: float, steps: int, *, begin: float = 1.0, final: float = 0.0, slope: float | None = None
) -> float:
    """Return max(final, begin - slope t).

    Args:
        t: Steps taken, from 0.
        steps: Steps in all, T.
        begin: Share at the first step.
        final: The least share.
        slope: By how much the share falls in a step; so that it reaches `final` at the end where it is left out.

    Raises:
        UsageError: A share outside [0, 1], or a slope below 0.

    Example:
        >>> [linear_teaching(t, 10, final=0.5) for t in (0, 5, 10)]
        [1.0, 0.75, 0.5]
    """
    if not 0 <= final <= begin <= 1 or (slope is not None and not 0 <= slope < math.inf):
        raise UsageError(
            "linear teaching falls from a share to a lower one",
            expected="0 <= final <= begin <= 1, and slope at least 0",
            got=f"begin {begin}, final {final}, slope {slope}",
        )
    falls = (begin - final) / max(1, steps) if slope is None else slope
    return max(final, begin - falls * t)


def exponential_teaching(t: float, steps: int, *, k: float = 0.9999) -> float:
    """Return k^t.

    Args:
        t: Steps taken, from 0.
        steps: Steps in all, T.
        k: In (0, 1).

    Raises:
        UsageError: k is out of range.

    Example:
        >>> exponential_teaching(2, 10, k=0.5)
        0.25
    """
    if not 0 < k < 1:
        raise UsageError("exponential teaching falls", expected="0 < k < 1", got=k)
    return float(k**t)


def inverse_sigmoid_teaching(t: float, steps: int, *, k: float = 1000.0) -> float:
    """Return k / (k + exp(t/k)).

    Args:
        t: Steps taken, from 0.
        steps: Steps in all, T.
        k: At least 1; the share is one half at t = k ln k.

    Raises:
        UsageError: k is out of range.

    Example:
        >>> [round(inverse_sigmoid_teaching(t, 20_000), 3) for t in (0, 6908, 20_000)]
        [0.999, 0.5, 0.0]
    """
    if not 1 <= k < math.inf:
        raise UsageError("inverse-sigmoid teaching needs a k of at least 1", got=k)
    return k / (k + math.exp(min(t / k, 700.0)))  # beyond it the share is 0 in any case
