"""Cross-entropy of the softmax."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from chainrule.core.errors import UsageError
from chainrule.losses._check import check_classes, widened


def softmax_loss(
    scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"], *, smoothing: float = 0.0
) -> Float[Tensor, " n"]:
    """Return -log(e^{s_y} / sum_j e^{s_j}) for each example, computed stably.

    Minimizing it maximizes the likelihood of the data. At initialization it is about log K.

    Args:
        scores: Scores of the K classes; minus infinity rules a class out, infinity or NaN gives NaN.
        targets: Right classes, 0 to K - 1.
        smoothing: Share of the target that is spread evenly over all classes, in [0, 1).

    Returns:
        One value an example, at least 0; in float32 for scores of 16 bits.

    Raises:
        UsageError: Shapes, types or the smoothing do not fit.
        DataError: A class is out of range.

    Example:
        >>> import torch
        >>> round(softmax_loss(torch.tensor([[3.2, 5.1, -1.7]]), torch.tensor([0])).item(), 2)
        2.04

    Source:
        LECTURES A5. Smoothing: Szegedy et al. 2016, section 7.
    """
    check_classes("softmax_loss", scores, targets)
    if not 0 <= smoothing < 1:
        raise UsageError(
            "softmax_loss: smoothing is a share of the target", expected="0 <= smoothing < 1", got=smoothing
        )
    # torch's kernel takes the largest score out first, so nothing overflows
    return functional.cross_entropy(widened(scores), targets.long(), reduction="none", label_smoothing=smoothing)
