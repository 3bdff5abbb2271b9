"""R(W) of the full loss."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from chainrule.core.errors import UsageError


def penalty(weights: Iterable[Tensor], *, l2: float = 0.0, l1: float = 0.0) -> Float[Tensor, ""]:
    """Return l2 * sum W^2 + l1 * sum |W| over some weights.

    A penalty lambda has the gradient 2 lambda W; an optimizer's weight decay d has d W: d = 2 lambda for SGD.
    The elastic net lambda (beta W^2 + |W|) is `l2=lambda * beta, l1=lambda`.

    Args:
        weights: The weights it applies to; the caller leaves out biases and norms (`chainrule.optim.is_weight`).
        l2: Weight of the squares (a Gaussian prior on the weights), at least 0.
        l1: Weight of the absolute values, at least 0; at 0 itself they have no gradient.

    Returns:
        One number, on the device of the weights; 0 without weights.

    Raises:
        UsageError: A negative factor, which would reward large weights, or one that is not finite.

    Example:
        >>> penalty([torch.tensor([[1.0, -2.0]])], l2=0.1, l1=1.0).item()
        3.5

    Source:
        LECTURES A6.
    """
    for name, factor in (("l2", l2), ("l1", l1)):
        if not 0 <= factor < math.inf:
            raise UsageError(f"penalty: {name} is a strength", expected="at least 0, finite", got=factor)
    weights = list(weights)
    total = weights[0].new_zeros(()) if weights else torch.zeros(())
    for weight in weights:
        if l2:
            total = total + l2 * weight.square().sum()
        if l1:
            total = total + l1 * weight.abs().sum()
    return total
