"""Maxout."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


def maxout(x: Float[Tensor, "n c ..."], pieces: int) -> Float[Tensor, "n c2 ..."]:
    """The maximum over consecutive channels: out_i = max(x_ik, ..., x_{ik + k - 1}), k = pieces.

    Where several are equal, the first receives the gradient.

    Args:
        x: (N, C) or (N, C, H, W), with C a multiple of `pieces`.
        pieces: Channels that compete.

    Returns:
        (N, C / pieces) or (N, C / pieces, H, W).

    Example:
        >>> import torch
        >>> maxout(torch.tensor([[1.0, 3.0, -2.0, -5.0]]), 2)
        tensor([[ 3., -2.]])

    Source: LECTURES C4; Goodfellow et al. 2013.
    """
    return x.unflatten(1, (-1, pieces)).max(dim=2).values  # (N, C/k, k, ...) -> (N, C/k, ...)


class Maxout(nn.Module):
    """`maxout` as a layer.

    Args:
        pieces: Channels that compete.

    Example:
        >>> import torch
        >>> Maxout(2)(torch.zeros(5, 16, 7, 7)).shape
        torch.Size([5, 8, 7, 7])
    """

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Float[Tensor, "n c ..."]) -> Float[Tensor, "n c2 ..."]:
        """Return the largest of each group of channels."""
        return maxout(x, self.pieces)

    def extra_repr(self) -> str:
        """What the module prints between its brackets."""
        return f"pieces={self.pieces}"
