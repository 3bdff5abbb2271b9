"""Gradient clipping."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def clip_gradients(
    parameters: Sequence[Tensor], *, norm: float | None = None, value: float | None = None
) -> Float[Tensor, ""]:
    """Clip the gradients of some parameters in place and return their norm before.

    By value: each element to [-c, c]. By norm: g * min(||g||, c) / ||g|| over all of them together; a gradient of
    zero stays zero.

    Args:
        parameters: Their `.grad` is changed.
        norm: Largest norm, greater than 0.
        value: Largest absolute value of an element, greater than 0; applied first.

    Example:
        >>> p = torch.zeros(2, requires_grad=True)
        >>> p.grad = torch.tensor([3.0, 4.0])
        >>> clip_gradients([p], norm=1.0).item(), [round(g, 2) for g in p.grad.tolist()]
        (5.0, [0.6, 0.8])

    Source:
        LECTURES B10.

    Departures:
        001 compares the squared norm with the threshold; the norm itself is meant. torch's `clip_grad_norm_` adds 1e-6
        to the norm; here only a norm above the threshold is scaled, to exactly the threshold.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return torch.zeros(())
    before = torch.nn.utils.get_total_norm(gradients)
    if value is not None:
        for gradient in gradients:
            gradient.clamp_(-value, value)
    if norm is not None:
        now = before if value is None else torch.nn.utils.get_total_norm(gradients)
        if bool(now > norm):
            torch._foreach_mul_(gradients, norm / now)
    return before


def suggest_clip(norms: Sequence[float]) -> float:
    """Return a threshold from the gradient norms seen in a healthy epoch: twice their 95th percentile.

    Args:
        norms: At least one, finite.

    Example:
        >>> suggest_clip([1.0] * 99 + [50.0])
        2.0

    Source:
        LECTURES B10.
    """
    return 2.0 * float(torch.tensor(list(norms), dtype=torch.float64).quantile(0.95))
