"""R(W) of the full loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def penalty(weights: Sequence[Tensor], *, l2: float = 0.0, l1: float = 0.0) -> Float[Tensor, ""]:
    """Return l2 * sum W^2 + l1 * sum |W| over some weights.

    A penalty lambda has the gradient 2 lambda W; an optimizer's weight decay d has d W: d = 2 lambda for SGD.

    Args:
        weights: The weights it applies to; the caller leaves out biases and norms.
        l2: Weight of the squares (a Gaussian prior on the weights).
        l1: Weight of the absolute values; both together are the elastic net.

    Example:
        >>> penalty([torch.tensor([[1.0, -2.0]])], l2=0.1, l1=1.0).item()
        3.5

    Source:
        LECTURES A6.
    """
    total = weights[0].new_zeros(()) if weights else torch.zeros(())
    for weight in weights:
        if l2:
            total = total + l2 * weight.square().sum()
        if l1:
            total = total + l1 * weight.abs().sum()
    return total
