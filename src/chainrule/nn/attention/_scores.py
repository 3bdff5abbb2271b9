"""How well a key fits a query: the alignment e of attention, in its forms.

Each score has `prepare(keys)`, what is computed of keys once, and `compare(queries, prepared)`, which a decoder asks at
every step; called with queries and keys it does both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.errors import UsageError, unknown


class DotScore(nn.Module):
    """e = q . k.

    Source:
        LECTURES H1 (003's form).
    """

    def prepare(self, k: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b n d"]:
        """Return the keys as they are."""
        return k

    def compare(self, q: Float[Tensor, "*b m d"], prepared: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b m n"]:
        """Return the score of each pair."""
        return q @ prepared.transpose(-1, -2)

    def forward(self, q: Float[Tensor, "*b m d"], k: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b m n"]:
        """Return the score of each pair."""
        return self.compare(q, self.prepare(k))


class ScaledDotScore(nn.Module):
    """e = q . k / sqrt(D): the spread stays near one, whatever D.

    Source:
        LECTURES H1; Vaswani et al. 2017, 3.2.1.
    """

    def prepare(self, k: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b n d"]:
        """Return k / sqrt(D)."""
        return k / math.sqrt(k.shape[-1])

    def compare(self, q: Float[Tensor, "*b m d"], prepared: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b m n"]:
        """Return the score of each pair."""
        return q @ prepared.transpose(-1, -2)

    def forward(self, q: Float[Tensor, "*b m d"], k: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b m n"]:
        """Return the score of each pair."""
        return self.compare(q, self.prepare(k))


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

    def prepare(self, k: Float[Tensor, "*b n dk"]) -> Float[Tensor, "*b n dq"]:
        """Return W k."""
        return k @ self.weight.T

    def compare(self, q: Float[Tensor, "*b m dq"], prepared: Float[Tensor, "*b n dq"]) -> Float[Tensor, "*b m n"]:
        """Return the score of each pair."""
        return q @ prepared.transpose(-1, -2)

    def forward(self, q: Float[Tensor, "*b m dq"], k: Float[Tensor, "*b n dk"]) -> Float[Tensor, "*b m n"]:
        """Return the score of each pair."""
        return self.compare(q, self.prepare(k))


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

    def prepare(self, k: Float[Tensor, "*b n dk"]) -> Float[Tensor, "*b n h"]:
        """Return W_k k."""
        found: Tensor = self.of_key(k)
        return found

    def compare(self, q: Float[Tensor, "*b m dq"], prepared: Float[Tensor, "*b n h"]) -> Float[Tensor, "*b m n"]:
        """Return the score of each pair; (B, M, N, hidden) numbers are held for it."""
        hidden = torch.tanh(self.of_query(q).unsqueeze(-2) + prepared.unsqueeze(-3))
        scores: Tensor = self.weight(hidden)
        return scores.squeeze(-1)

    def forward(self, q: Float[Tensor, "*b m dq"], k: Float[Tensor, "*b n dk"]) -> Float[Tensor, "*b m n"]:
        """Return the score of each pair."""
        return self.compare(q, self.prepare(k))


def make_score(name: str, queries: int, keys: int) -> nn.Module:
    """Return a score by its name.

    Args:
        name: dot, scaled, bilinear or additive (with as many hidden units as a query has numbers).
        queries: Numbers of a query.
        keys: Numbers of a key.

    Raises:
        UsageError: There is no such score, or queries and keys of two sizes are to be multiplied as they are.

    Example:
        >>> make_score("bilinear", 3, 5).weight.shape
        torch.Size([3, 5])
    """
    if name not in SCORES:
        raise UsageError(f'there is no score "{name}"', remedy=unknown("score", name, list(SCORES)))
    if name in ("dot", "scaled") and queries != keys:
        raise UsageError(
            f"the {name} score multiplies queries with keys",
            expected=f"keys of {queries} numbers",
            got=keys,
            remedy="bilinear and additive take keys of any size",
        )
    return SCORES[name](queries, keys)


SCORES: Mapping[str, Callable[[int, int], nn.Module]] = {
    "dot": lambda queries, keys: DotScore(),
    "scaled": lambda queries, keys: ScaledDotScore(),
    "bilinear": BilinearScore,
    "additive": lambda queries, keys: AdditiveScore(queries, keys, queries),
}
"""`(numbers of a query, numbers of a key) -> module`."""
