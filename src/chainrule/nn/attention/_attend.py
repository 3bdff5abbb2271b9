"""Attention itself: softmax of scores, weighted sum of values."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from chainrule.nn.attention._masks import causal_mask


def attend(
    q: Float[Tensor, "*b m d"],
    k: Float[Tensor, "*b n d"],
    v: Float[Tensor, "*b n e"],
    *,
    mask: Bool[Tensor, ...] | None = None,
    causal: bool = False,
    dropout: float = 0.0,
) -> Float[Tensor, "*b m e"]:
    """Return softmax(q k' / sqrt(D)) v in memory that grows linearly with N: by torch's fused kernel.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        mask: True where a query may look at a key; spread over (..., M, N). A query that may look at nothing gives 0.
        causal: Whether no query looks at a key after it; the last query stands at the last key.
        dropout: Probability of dropping a weight.

    Example:
        >>> v = torch.tensor([[1.0], [3.0]])
        >>> attend(torch.zeros(2, 1), torch.zeros(2, 1), v, causal=True).tolist()
        [[1.0], [2.0]]

    Source:
        LECTURES H1, H4; Vaswani et al. 2017, 3.2.1.
    """
    if q.shape[-2] == 1 and q.device.type == "cpu" and dropout == 0.0 and not q.requires_grad:
        return attention_weights(q, k, mask=mask) @ v  # of one query the weights are few: faster than the kernel
    if causal and mask is None and q.shape[-2] == k.shape[-2]:
        return functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
    seen = _both(mask, causal and q.shape[-2] > 1, q.shape[-2], k.shape[-2], q.device)
    found = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, dropout_p=dropout)
    return found if mask is None or seen is None else found.masked_fill(~seen.any(-1, keepdim=True), 0.0)


def attention_weights(
    q: Float[Tensor, "*b m d"],
    k: Float[Tensor, "*b n d"],
    *,
    mask: Bool[Tensor, ...] | None = None,
    causal: bool = False,
) -> Float[Tensor, "*b m n"]:
    """Return the weights that `attend` mixes the values with; a row sums to 1, or is 0 where nothing may be looked at.

    Example:
        >>> attention_weights(torch.zeros(2, 4), torch.zeros(2, 4), causal=True).tolist()
        [[1.0, 0.0], [0.5, 0.5]]

    Source:
        LECTURES H1.
    """
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-1, -2)
    seen = _both(mask, causal, q.shape[-2], k.shape[-2], q.device)
    if seen is None:
        return torch.softmax(scores, dim=-1)
    return torch.softmax(scores.masked_fill(~seen, -torch.inf), dim=-1).nan_to_num(0.0)


def _both(mask: Tensor | None, causal: bool, queries: int, keys: int, device: torch.device) -> Tensor | None:
    if not causal:
        return mask
    past = causal_mask(queries, keys).to(device)
    return past if mask is None else mask & past
