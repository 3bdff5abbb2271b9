"""What every metric of classes asks of its arguments."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.core.errors import DataError, NonFiniteError, UsageError


def check_scores(metric: str, scores: Tensor, targets: Tensor) -> None:
    """Check scores (N, K) and right classes (N,).

    Args:
        metric: Its name, for the message.
        scores: Should be (N, K) without NaN: a comparison with NaN is neither right nor wrong.
        targets: Should be (N,), whole numbers from 0 to K - 1.

    Raises:
        UsageError: The shapes do not fit together.
        DataError: A class is out of range.
        NonFiniteError: A score is NaN.

    Example:
        >>> import torch
        >>> check_scores("accuracy", torch.tensor([[0.0, 1.0], [0.0, float("nan")]]), torch.tensor([1, 1]))
        Traceback (most recent call last):
        chainrule.core.errors.NonFiniteError: accuracy: a score is NaN: got the first in example 1 of 2
    """
    if scores.ndim != 2 or targets.shape != scores.shape[:1] or _are_no_classes(targets):
        raise UsageError(
            f"{metric}: scores and classes do not fit together",
            expected="scores (N, K) and classes (N,), whole numbers",
            got=f"{tuple(scores.shape)} and {tuple(targets.shape)} of {targets.dtype}",
        )
    if not len(targets):
        return
    low, high = (int(end) for end in targets.long().aminmax())
    if low < 0 or high >= scores.shape[1]:
        wrong = low if low < 0 else high
        raise DataError(f"{metric}: a class is out of range", expected=f"0 to {scores.shape[1] - 1}", got=wrong)
    odd = scores.isnan().any(1)
    if odd.any():
        first = int(odd.nonzero()[0])
        raise NonFiniteError(f"{metric}: a score is NaN", got=f"the first in example {first} of {len(targets)}")


def _are_no_classes(targets: Tensor) -> bool:
    return targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool
