"""Squared error for regressions."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def squared_error(scores: Float[Tensor, "n ..."], targets: Shaped[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """Return the mean over outputs of (s - y)^2 for each example.

    Args:
        scores: Outputs (N, ...).
        targets: Numbers of the same shape; or classes (N,) for scores (N, K), which are compared with one-hot vectors.

    Example:
        >>> squared_error(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 1.0]])).tolist()
        [2.5]

    Source:
        LECTURES A7.
    """
    if not targets.is_floating_point() and scores.ndim == 2:
        targets = torch.nn.functional.one_hot(targets.long(), scores.shape[1])
    wanted = targets.to(scores.dtype).reshape(scores.shape)
    difference = (scores - wanted).square()
    return difference.flatten(1).mean(1) if difference.ndim > 1 else difference
