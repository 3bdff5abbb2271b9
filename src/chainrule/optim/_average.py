"""Exponential moving averages of weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from chainrule.core.errors import UsageError


def ema_update(average: Iterable[Tensor], tensors: Iterable[Tensor], decay: float) -> None:
    """Move an average towards the weights, in place: average = decay * average + (1 - decay) * tensor.

    Args:
        average: Copies, in their own type; whole numbers among them (counters of batches) are taken over as they are.
        tensors: The weights and buffers they follow, in the same order and shapes.
        decay: In [0, 1]; 0 copies, 1 stands still.

    Raises:
        UsageError: The decay is out of range, or the two lists differ.

    Example:
        >>> slow, fast = torch.tensor([0.0]), torch.tensor([1.0])
        >>> ema_update([slow], [fast], 0.75)
        >>> slow.item()
        0.25

    Source:
        LECTURES B14 (averages along a run); Polyak and Juditsky 1992.
    """
    if not 0 <= decay <= 1:
        raise UsageError("ema_update: decay is the share that is kept", expected="0 to 1", got=decay)
    ours, theirs = list(average), [tensor.detach() for tensor in tensors]
    if len(ours) != len(theirs):
        raise UsageError("ema_update: average and tensors differ", expected=f"{len(ours)} tensors", got=len(theirs))
    for place, (mine, other) in enumerate(zip(ours, theirs)):
        if mine.shape != other.shape:
            raise UsageError(
                f"ema_update: average and tensors differ at {place}",
                expected=f"shape {tuple(mine.shape)}",
                got=tuple(other.shape),
            )
    real = [i for i, tensor in enumerate(ours) if tensor.is_floating_point() or tensor.is_complex()]
    with torch.no_grad():
        if real:
            targets = [theirs[i].to(ours[i].dtype) for i in real]
            get_ema_multi_avg_fn(decay)([ours[i] for i in real], targets, None)
        for i in set(range(len(ours))) - set(real):
            ours[i].copy_(theirs[i])


def ema_decay(step: int, decay: float) -> float:
    """Return min(decay, (1 + t) / (10 + t)): a short memory at first, so that the first weights are soon forgotten.

    Args:
        step: Steps taken, t.
        decay: In the long run.

    Example:
        >>> [round(ema_decay(t, 0.999), 3) for t in (0, 90, 10**6)]
        [0.1, 0.91, 0.999]

    Source:
        LECTURES B14.
    """
    return min(decay, (1 + step) / (10 + step))


def mean_decay(n: int) -> float:
    """Return n / (n + 1), with which an average that has seen n values takes in one more of the same weight; 0 below.

    Example:
        >>> average = 0.0
        >>> for n, value in enumerate([3.0, 5.0, 10.0]):
        ...     average = mean_decay(n) * average + (1 - mean_decay(n)) * value
        >>> average
        6.0

    Source:
        LECTURES B14; Izmailov et al. 2018 (stochastic weight averaging).
    """
    return max(0, n) / (max(0, n) + 1)
