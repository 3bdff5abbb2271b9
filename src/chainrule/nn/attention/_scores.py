"""How well a key fits a query: the alignment e of attention, in its forms."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class DotScore(nn.Module):
    """e = q . k.

    Source:
        LECTURES H1 (003's form).
    """

    def forward(self, q: Float[Tensor, "*b m d"], k: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b m n"]:
        """Return the score of each pair."""
        return q @ k.transpose(-1, -2)


class ScaledDotScore(nn.Module):
    """e = q . k / sqrt(D): the spread stays near one, whatever D.

    Source:
        LECTURES H1; Vaswani et al. 2017, 3.2.1.
    """

    def forward(self, q: Float[Tensor, "*b m d"], k: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b m n"]:
        """Return the score of each pair."""
        return q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])


class BilinearScore(nn.Module):
    """e = q' W k: one learned matrix; queries and keys may differ in size.

    Args:
        queries: Numbers of a query.
        keys: Numbers of a key.

    Source:
        LECTURES H1; Luong et al. 2015, "general".
    """

    def __init__(self, queries: int, keys: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(queries, keys))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, q: Float[Tensor, "*b m dq"], k: Float[Tensor, "*b n dk"]) -> Float[Tensor, "*b m n"]:
        """Return the score of each pair."""
        return q @ self.weight @ k.transpose(-1, -2)


class AdditiveScore(nn.Module):
    """e = w . tanh(W_q q + W_k k): a hidden layer over both.

    Args:
        queries: Numbers of a query.
        keys: Numbers of a key.
        hidden: Units of the hidden layer.

    Source:
        LECTURES H1; Bahdanau et al. 2015.
    """

    def __init__(self, queries: int, keys: int, hidden: int) -> None:
        super().__init__()
        self.of_query = nn.Linear(queries, hidden, bias=False)
        self.of_key = nn.Linear(keys, hidden, bias=False)
        self.weight = nn.Linear(hidden, 1, bias=False)

    def forward(self, q: Float[Tensor, "*b m dq"], k: Float[Tensor, "*b n dk"]) -> Float[Tensor, "*b m n"]:
        """Return the score of each pair; (B, M, N, hidden) numbers are held for it."""
        hidden = torch.tanh(self.of_query(q).unsqueeze(-2) + self.of_key(k).unsqueeze(-3))
        scores: Tensor = self.weight(hidden)
        return scores.squeeze(-1)
