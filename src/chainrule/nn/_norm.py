"""Local response normalization in AlexNet's own numbers."""

from __future__ import annotations

from torch import nn


def alexnet_response_norm(
    n: int = 5, *, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75
) -> nn.LocalResponseNorm:
    """b_i = a_i / (k + alpha sum_j a_j^2)^beta, the sum over the n channels around i, by torch's kernel.

    Args:
        n: Channels in the sum.
        k: Added constant.
        alpha: Factor of the sum.
        beta: Exponent.

    Returns:
        The layer for (N, C, H, W).

    Example:
        >>> import torch
        >>> one = alexnet_response_norm()(torch.full((1, 1, 1, 1), 100.0))
        >>> print(f"{one.item():.4f}, by hand {100 / (2 + 1e-4 * 100**2) ** 0.75:.4f}")
        43.8691, by hand 43.8691

    Source: LECTURES C6, D5; Krizhevsky, Sutskever, Hinton 2012, section 3.3.

    Departures: torch divides alpha by n, so n alpha is passed; its k is 1 unless told.
    """
    return nn.LocalResponseNorm(n, alpha=n * alpha, beta=beta, k=k)
