"""What a network with an auxiliary head gives while it trains."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Heads(NamedTuple):
    """Scores of both heads: what `forward` of a network with an auxiliary head gives in training mode.

    The auxiliary head is a second, small classifier that sees the maps of a layer in the middle. Its loss is added,

        loss = loss(scores) + weight * loss(auxiliary),

    so that the gradient reaches the first layers on a short way too. In evaluation mode such a network gives plain
    scores, and the auxiliary head does not run.

    Args:
        scores: (N, K) of the network itself: predictions and metrics are made of these.
        auxiliary: (N, K) of the auxiliary head.
        weight: How much its loss counts.

    Example:
        >>> import torch
        >>> from torch.nn.functional import cross_entropy
        >>> from chainrule.models import inception
        >>> network, targets = inception((3, 32, 32), 10, width=0.125), torch.tensor([3, 7])
        >>> heads = network(torch.randn(2, 3, 32, 32))
        >>> losses = [cross_entropy(part, targets) for part in (heads.scores, heads.auxiliary)]
        >>> (losses[0] + heads.weight * losses[1]).shape
        torch.Size([])

    Source:
        LECTURES D6; Szegedy et al. 2015, section 5 (weight 0.3).
    """

    scores: Float[Tensor, "n k"]
    auxiliary: Float[Tensor, "n k"]
    weight: float
