"""Squared error for regressions."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.losses._check import check_classes, check_numbers, check_scores, widened


def squared_error(scores: Float[Tensor, "n ..."], targets: Shaped[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """Return the mean over outputs of (s - y)^2 for each example.

    Args:
        scores: Outputs (N, ...).
        targets: Numbers of the same shape ((N,) and (N, 1) are the same here); or classes (N,) of an integer type for
            scores (N, K), which are compared with one-hot vectors.

    Returns:
        One value an example, at least 0; in float32 for scores of 16 bits.

    Raises:
        UsageError: Shapes or types do not fit.
        DataError: A class is out of range.

    Example:
        >>> squared_error(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 1.0]])).tolist()
        [2.5]
        >>> squared_error(torch.tensor([[1.0, 3.0]]), torch.tensor([1])).tolist()
        [2.5]

    Source:
        LECTURES A7.
    """
    check_scores("squared_error", scores)
    if scores.ndim == 2 and scores.shape[1] > 1 and targets.ndim == 1 and not targets.is_floating_point():
        check_classes("squared_error", scores, targets)
        targets = torch.nn.functional.one_hot(targets.long(), scores.shape[1])  # (n, k)
    check_numbers("squared_error", targets)
    if scores.ndim == 0 or _without_one(scores) != _without_one(targets):
        raise UsageError(
            "squared_error: outputs and targets do not fit together",
            expected=f"targets of shape {tuple(scores.shape)}",
            got=tuple(targets.shape),
        )
    scores = widened(scores)
    squares = (scores - targets.to(scores.dtype).reshape(scores.shape)).square()
    return squares.flatten(1).mean(1) if squares.ndim > 1 else squares


def _without_one(tensor: Tensor) -> tuple[int, ...]:
    """The shape, where one output an example may stand as (N,) or (N, 1)."""
    shape = tuple(tensor.shape)
    return shape[:1] if shape[1:] == (1,) else shape
