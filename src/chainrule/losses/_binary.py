"""Cross-entropy of yes-or-no answers."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

from chainrule.core.errors import DataError, UsageError
from chainrule.losses._check import check_classes, check_numbers, check_scores, widened


def binary_cross_entropy(scores: Float[Tensor, "n ..."], targets: Shaped[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """Return -[y log p + (1 - y) log(1 - p)] with p = sigmoid(score), computed stably from the score.

    With K scores an example the K answers are independent, and their losses are added: the negative log-likelihood.

    Args:
        scores: One score an example, (N,) or (N, 1), or K of them, (N, K); an infinite one gives a loss that is not
            finite.
        targets: For one score, (N,) or (N, 1): 0 or 1, or a probability between. For K scores: the same (N, K), or
            right classes (N,) of an integer type, where each class is asked for apart (one against the rest).

    Returns:
        One value an example, at least 0; in float32 for scores of 16 bits.

    Raises:
        UsageError: Shapes or types do not fit.
        DataError: A target is out of range.

    Example:
        >>> round(binary_cross_entropy(torch.tensor([0.0]), torch.tensor([1.0])).item(), 4)
        0.6931
        >>> binary_cross_entropy(torch.tensor([[8.0, -8.0]]), torch.tensor([0])).item() < 1e-3
        True

    Source:
        LECTURES A5.
    """
    check_scores("binary_cross_entropy", scores)
    if scores.ndim == 2 and scores.shape[1] != 1 and targets.ndim == 1 and not targets.is_floating_point():
        check_classes("binary_cross_entropy", scores, targets)
        targets = functional.one_hot(targets.long(), scores.shape[1])  # (n, k)
    elif scores.ndim == 2 and scores.shape[1] == 1 and targets.ndim == 1:
        targets = targets[:, None]
    elif scores.ndim == 1 and targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if scores.ndim not in (1, 2):
        raise UsageError(
            "binary_cross_entropy: an example has one score or K of them",
            expected="scores (N,), (N, 1) or (N, K)",
            got=tuple(scores.shape),
        )
    if targets.shape != scores.shape:
        raise UsageError(
            "binary_cross_entropy: scores and targets do not fit together",
            expected=f"targets of shape {tuple(scores.shape)}",
            got=tuple(targets.shape),
        )
    check_numbers("binary_cross_entropy", targets)
    if targets.device.type == "cpu" and targets.numel() and not torch.compiler.is_compiling():
        low, high = (float(end) for end in targets.double().aminmax())
        if not (low >= 0 and high <= 1):
            raise DataError(
                "binary_cross_entropy: a target is no probability",
                expected="0 to 1",
                got=low if low < 0 else high,
            )
    scores = widened(scores)
    values = functional.binary_cross_entropy_with_logits(scores, targets.to(scores.dtype), reduction="none")
    return values.sum(1) if values.ndim == 2 else values
