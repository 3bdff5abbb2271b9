"""A network with one score, for questions of yes or no, as a classifier of two classes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class YesOrNo(nn.Module):
    """Give "no" the score 0 and "yes" that of a network: scores (N,) or (N, 1) become (N, 2).

    softmax([0, s])_1 = 1 / (1 + exp(-s)): the softmax loss of the two is the binary cross-entropy of the one.

    Args:
        network: (N, ...) -> one score each.

    Example:
        >>> YesOrNo(nn.Identity())(torch.tensor([[3.0], [-1.0]])).tolist()
        [[0.0, 3.0], [0.0, -1.0]]

    Source:
        LECTURES A5.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Float[Tensor, "n 2"]:
        """Return both scores."""
        score = self.network(inputs).reshape(len(inputs))
        return torch.stack([torch.zeros_like(score), score], 1)  # (n, 2)


def is_yes_or_no(loss: str | None, targets: Tensor) -> bool:
    """Whether targets (N,) or (N, 1) of the binary cross-entropy are answers, 0 or 1, and no probabilities between."""
    one_each = targets.ndim == 1 or (targets.ndim == 2 and targets.shape[1] == 1)
    return loss == "binary_cross_entropy" and one_each and bool(((targets == 0) | (targets == 1)).all())
