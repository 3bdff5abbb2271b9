"""A sequence as one vector: the mean or the maximum over the places that hold something."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def mean_of(x: Float[Tensor, "b t d"], there: Bool[Tensor, "b t"]) -> Float[Tensor, "b d"]:
    """Return the mean over the places that hold something; 0 where none does.

    Example:
        >>> mean_of(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]])).tolist()
        [[2.0]]
    """
    total = x.masked_fill(~there.unsqueeze(2), 0.0).sum(1)
    return total / there.sum(1, keepdim=True).clamp(min=1)


def max_of(x: Float[Tensor, "b t d"], there: Bool[Tensor, "b t"]) -> Float[Tensor, "b d"]:
    """Return the greatest value of each number over the places that hold something; 0 where none does.

    Example:
        >>> max_of(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]])).tolist()
        [[3.0]]
    """
    greatest = x.masked_fill(~there.unsqueeze(2), -torch.inf).amax(1)
    return greatest.masked_fill(~there.any(1, keepdim=True), 0.0)
