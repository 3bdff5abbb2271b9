"""The multiclass hinge loss."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor


def svm_loss(scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"], *, margin: float = 1.0) -> Float[Tensor, " n"]:
    """Return sum over j != y of max(0, s_j - s_y + margin) for each example.

    Args:
        scores: Scores of the K classes.
        targets: Right classes, 0 to K - 1.
        margin: By how much the right score must lead.

    Example:
        >>> import torch
        >>> round(svm_loss(torch.tensor([[3.2, 5.1, -1.7]]), torch.tensor([0])).item(), 1)
        2.9

    Source:
        LECTURES A4.

    Departures:
        `torch.nn.functional.multi_margin_loss` divides by K; the lectures do not.
    """
    chosen = targets.long()[:, None]
    margins = (scores - scores.gather(1, chosen) + margin).clamp_min(0)  # (n, k)
    return margins.scatter(1, chosen, 0.0).sum(1)
