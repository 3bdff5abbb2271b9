"""Gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.runtime.laid_out import whole


def clip_gradients(
    parameters: Iterable[Tensor], *, norm: float | None = None, value: float | None = None
) -> Float[Tensor, ""]:
    """Clip the gradients of some parameters in place and return their norm before.

    By value: each element to [-c, c]. By norm: g * min(||g||, c) / ||g|| over all of them together; a gradient of
    zero stays zero. A norm that is not finite is returned, and the gradients are left for the caller to judge.

    Args:
        parameters: Their `.grad` is changed.
        norm: Largest norm, greater than 0.
        value: Largest absolute value of an element, greater than 0; applied first.

    Returns:
        The norm of all gradients together as they came; 0 without any.

    Raises:
        UsageError: A threshold is not above 0.

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
    for name, threshold in (("norm", norm), ("value", value)):
        if threshold is not None and not threshold > 0:
            raise UsageError(f"clip_gradients: {name} is a threshold", expected="above 0", got=threshold)
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return torch.zeros(())
    before = _norm(gradients)
    if not torch.isfinite(before):
        return before
    if value is not None:
        for gradient in gradients:
            gradient.clamp_(-value, value)
    if norm is not None:
        now = before if value is None else _norm(gradients)
        if norm < float(now) < math.inf:
            torch._foreach_mul_(gradients, norm / float(now))
    return before


def _norm(gradients: list[Tensor]) -> Tensor:
    """The norm of all together; in float64 where the squares overflow though the numbers are finite."""
    norm = whole(torch.nn.utils.get_total_norm(gradients))
    return norm if torch.isfinite(norm) else whole(torch.nn.utils.get_total_norm([g.double() for g in gradients]))


def suggest_clip(norms: Iterable[float]) -> float:
    """Return a threshold from the gradient norms seen in a healthy epoch: twice their 95th percentile.

    Where that is 0, since nearly all norms are, it is twice the largest.

    Ordinary steps pass unchanged, and a gradient that explodes is cut to about the largest of them.

    Args:
        norms: Norms before clipping; those that are not finite do not count.

    Raises:
        UsageError: There is no finite norm above 0 among them.

    Example:
        >>> suggest_clip([1.0] * 99 + [50.0])
        2.0

    Source:
        LECTURES B10.
    """
    healthy = sorted(norm for norm in norms if math.isfinite(norm))
    if not healthy or not healthy[-1] > 0:
        raise UsageError("no healthy gradient to measure", expected="at least one finite norm above 0", got=healthy[:3])
    place = 0.95 * (len(healthy) - 1)
    low = math.floor(place)
    high = min(low + 1, len(healthy) - 1)
    return 2.0 * (healthy[low] + (place - low) * (healthy[high] - healthy[low])) or 2.0 * healthy[-1]
