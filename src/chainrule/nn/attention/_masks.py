"""What may be looked at: True where it may."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int64
from torch import Tensor


def causal_mask(queries: int, keys: int | None = None) -> Bool[Tensor, "m n"]:
    """Return which keys each query may look at: none that come after it. The last query stands at the last key.

    Args:
        queries: How many, M.
        keys: How many, N, at least M; those before the first query come from what was read earlier. M when left out.

    Example:
        >>> causal_mask(2, 3).int().tolist()
        [[1, 1, 0], [1, 1, 1]]

    Source:
        LECTURES H4.
    """
    number = queries if keys is None else keys
    return torch.ones(queries, number, dtype=torch.bool).tril(number - queries)


def padding_mask(lengths: Int64[Tensor, " b"], longest: int) -> Bool[Tensor, "b 1 1 n"]:
    """Return which keys hold something: the first `lengths` of each sequence; for scores (B, heads, M, N).

    Args:
        lengths: Of each sequence.
        longest: N.

    Example:
        >>> padding_mask(torch.tensor([1, 3]), 3)[:, 0, 0].int().tolist()
        [[1, 0, 0], [1, 1, 1]]
    """
    return (torch.arange(longest, device=lengths.device) < lengths.unsqueeze(1))[:, None, None, :]
