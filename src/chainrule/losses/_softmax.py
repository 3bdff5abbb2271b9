"""Cross-entropy of the softmax, and its binary form."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def softmax_loss(
    scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"], *, smoothing: float = 0.0
) -> Float[Tensor, " n"]:
    """Return -log(e^{s_y} / sum_j e^{s_j}) for each example, computed stably.

    Minimizing it maximizes the likelihood of the data. At initialization it is about log K.

    Args:
        scores: Scores of the K classes.
        targets: Right classes, 0 to K - 1.
        smoothing: Share of the target that is spread evenly over all classes, in [0, 1).

    Example:
        >>> import torch
        >>> round(softmax_loss(torch.tensor([[3.2, 5.1, -1.7]]), torch.tensor([0])).item(), 2)
        2.04

    Source:
        LECTURES A5. Smoothing: Szegedy et al. 2016, section 7.
    """
    return functional.cross_entropy(scores, targets, reduction="none", label_smoothing=smoothing)


def binary_cross_entropy(scores: Float[Tensor, " n"], targets: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return -[y log p + (1 - y) log(1 - p)] with p = sigmoid(score), computed stably from the score.

    Args:
        scores: One score an example.
        targets: 0 or 1, or anything between.

    Example:
        >>> import torch
        >>> round(binary_cross_entropy(torch.tensor([0.0]), torch.tensor([1.0])).item(), 4)
        0.6931

    Source:
        LECTURES A5.
    """
    return functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
