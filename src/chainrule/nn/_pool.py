"""Global average pooling."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


def global_avg_pool(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c"]:
    """The mean of each channel over all positions.

    Args:
        x: Volumes (N, C, H, W).

    Returns:
        Vectors (N, C).

    Example:
        >>> import torch
        >>> global_avg_pool(torch.arange(8.0).reshape(1, 2, 2, 2))
        tensor([[1.5000, 5.5000]])

    Source: LECTURES D2.
    """
    return x.mean(dim=(2, 3))


class GlobalAvgPool(nn.Module):
    """`global_avg_pool` as a layer.

    Example:
        >>> import torch
        >>> GlobalAvgPool()(torch.zeros(5, 16, 7, 7)).shape
        torch.Size([5, 16])
    """

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c"]:
        """Return the mean of each channel."""
        return global_avg_pool(x)
