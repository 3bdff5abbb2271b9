"""Attention as a part of its own: any score, any function of the values."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Attended(NamedTuple):
    """What attention gives.

    Args:
        context: Weighted sums of the values, (B, M, E).
        weights: What each query looked at, (B, M, N).
    """

    context: Tensor
    weights: Tensor


class Attention(nn.Module):
    """context_i = sum_j a_ij value(x_j) with a_i = softmax_j score(q_i, x_j).

    Args:
        score: With `prepare` and `compare`: `DotScore`, `ScaledDotScore`, `BilinearScore`, `AdditiveScore`.
        value: What is mixed of each input; the input itself when left out.

    Example:
        >>> from chainrule.nn.attention import DotScore
        >>> given = Attention(DotScore())(torch.zeros(1, 1, 2), torch.tensor([[[1.0, 0.0], [3.0, 0.0]]]))
        >>> given.context.tolist(), given.weights.tolist()
        ([[[2.0, 0.0]]], [[[0.5, 0.5]]])

    Source:
        LECTURES H1: identity, one bilinear matrix, with a value function.
    """

    def __init__(self, score: nn.Module, value: nn.Module | None = None) -> None:
        super().__init__()
        self.score, self.value = score, value or nn.Identity()

    def read(self, inputs: Float[Tensor, "b n d"]) -> tuple[Float[Tensor, "b n k"], Float[Tensor, "b n e"]]:
        """Return what is computed of the inputs once, for all queries: prepared keys, and values."""
        return self.score.prepare(inputs), self.value(inputs)  # type: ignore[operator]

    def look(
        self,
        queries: Float[Tensor, "b m dq"],
        keys: Float[Tensor, "b n k"],
        values: Float[Tensor, "b n e"],
        mask: Bool[Tensor, ...] | None = None,
    ) -> Attended:
        """Return contexts and weights.

        Args:
            queries: What looks.
            keys: As `read` prepared them.
            values: From `read`.
            mask: True where it may be looked at, spread over (B, M, N); where nothing may, the context is 0.
        """
        scores = self.score.compare(queries, keys)  # type: ignore[operator]
        if mask is None:
            weights = torch.softmax(scores, dim=-1)
        else:
            some = mask.any(-1, keepdim=True)  # a softmax over nothing has no gradient: there over all, and then 0
            weights = torch.softmax(scores.masked_fill(~mask & some, -torch.inf), dim=-1).masked_fill(~some, 0.0)
        return Attended(weights @ values, weights)

    def forward(
        self, queries: Float[Tensor, "b m dq"], inputs: Float[Tensor, "b n d"], mask: Bool[Tensor, ...] | None = None
    ) -> Attended:
        """Return contexts and weights.

        Args:
            queries: What looks.
            inputs: What is looked at: keys, and values through `value`.
            mask: True where it may be looked at, spread over (B, M, N); where nothing may, the context is 0.
        """
        return self.look(queries, *self.read(inputs), mask)
