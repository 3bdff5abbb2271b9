"""One trunk with several heads: an ensemble that computes its features once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.errors import RecipeError
from chainrule.models.ensemble import Combine, log_mean_probability
from chainrule.nn import build
from chainrule.notation import resolve


class EachHead(NamedTuple):
    """What `forward` of a network with several heads gives in training mode: each of them learns for itself.

    Args:
        scores: (M, N, K), of each head.
    """

    scores: Float[Tensor, "m n k"]


class SharedTrunk(nn.Module):
    """Heads that read the same features; in evaluation mode they answer together.

    Args:
        trunk: Inputs -> features.
        heads: Features -> scores (N, K), each.
        combine: How their scores become one.

    Source:
        LECTURES B14.
    """

    def __init__(self, trunk: nn.Module, heads: Sequence[nn.Module], combine: Combine = log_mean_probability) -> None:
        super().__init__()
        self.trunk, self.heads, self.combine = trunk, nn.ModuleList(heads), combine

    def each(self, inputs: Tensor) -> Tensor:
        """Return the scores of each head, (M, N, K)."""
        features = self.trunk(inputs)
        return torch.stack([head(features) for head in self.heads])

    def forward(self, inputs: Tensor) -> Tensor | EachHead:
        """Return the logarithms of the probabilities (N, K); in training mode the scores of each head."""
        each = self.each(inputs)
        return EachHead(each) if self.training else self.combine(each)


def shared_trunk(
    shape: tuple[int, ...], classes: int, *, trunk: str, head: str | None = None, heads: int = 5
) -> SharedTrunk:
    """Return a trunk with several heads, in the layer notation.

    Args:
        shape: Of one input.
        classes: Number of scores of each head.
        trunk: What all heads share: `CONV3-32 | BN | RELU | POOL2`.
        head: Each head, other weights in each; `FC-K` when left out.
        heads: How many, at least 2.

    Raises:
        NotationError: A specification is not valid.
        RecipeError: Fewer than two heads.

    Example:
        >>> network = shared_trunk((1, 8, 8), 10, trunk="CONV3-4 | RELU | POOL2", heads=3)
        >>> network(torch.zeros(2, 1, 8, 8)).scores.shape, network.eval()(torch.zeros(2, 1, 8, 8)).shape
        (torch.Size([3, 2, 10]), torch.Size([2, 10]))

    Source:
        LECTURES B14; Lee et al. 2015 (Why M heads are better than one).
    """
    if heads < 2:
        raise RecipeError("a shared trunk has several heads", expected="heads: 2 or more", got=heads)
    below = resolve(trunk, shape)
    made = [build(head or f"FC-{classes}", shape=below.output.torch_shape, outputs=classes) for _ in range(heads)]
    return SharedTrunk(build(below), made)
