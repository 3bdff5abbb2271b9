"""The multiclass hinge loss, and its square."""

from __future__ import annotations

import math
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.losses._check import check_classes, widened


def svm_loss(
    scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"], *, margin: float = 1.0, power: Literal[1, 2] = 1
) -> Float[Tensor, " n"]:
    """Return sum over j != y of max(0, s_j - s_y + margin)^power for each example.

    Exactly at the kink (s_j = s_y - margin) a score has no gradient. Squared, the loss has no kink.

    Args:
        scores: Scores of the K classes.
        targets: Right classes, 0 to K - 1.
        margin: By how much the right score must lead, greater than 0 and finite.
        power: 1 as in the lectures, or 2.

    Returns:
        One value an example, at least 0; in float32 for scores of 16 bits.

    Raises:
        UsageError: Shapes, types, the margin or the power do not fit.
        DataError: A class is out of range.

    Example:
        >>> import torch
        >>> round(svm_loss(torch.tensor([[3.2, 5.1, -1.7]]), torch.tensor([0])).item(), 1)
        2.9

    Source:
        LECTURES A4.

    Departures:
        `torch.nn.functional.multi_margin_loss` divides by K, which the lectures do not, knows no 16-bit types and has
        no second derivative: so this is written out.
    """
    check_classes("svm_loss", scores, targets)
    if not 0 < margin < math.inf:
        raise UsageError("svm_loss: the margin is a lead", expected="margin > 0, finite", got=margin)
    if power not in (1, 2):
        raise UsageError("svm_loss: the loss is linear or squared", expected="power 1 or 2", got=power)
    scores, right = widened(scores), targets.long()[:, None]  # (n, 1)
    margins = (scores - scores.gather(1, right) + margin).relu()  # (n, k); relu, as clamp has a gradient at the kink
    margins = margins.scatter(1, right, 0.0)  # j != y
    return (margins if power == 1 else margins.square()).sum(1)
