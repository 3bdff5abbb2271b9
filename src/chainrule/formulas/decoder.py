"""The decoder of a transformer: tokens that look back at each other, and at all that another sequence holds.

    decoder_block    causal self-attention, attention to a memory, feed-forward
    decoder          blocks on top of each other, all beside the same memory

Shapes: T tokens and S of the memory, of D numbers, F hidden ones; other axes may stand before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chainrule.formulas._array import Array, Cache
from chainrule.formulas.attention import causal_mask, multi_head_attention_backward, multi_head_attention_forward
from chainrule.formulas.transformer import (
    feed_forward_backward,
    feed_forward_forward,
    residual_norm_backward,
    residual_norm_forward,
)


class DecoderBlock(NamedTuple):
    """The weights of a block, or their gradients: both attentions (D, D), the norms (D,), W1 (D, F), W2 (F, D)."""

    Wq: Array
    Wk: Array
    Wv: Array
    Wo: Array
    gamma1: Array
    beta1: Array
    Mq: Array
    Mk: Array
    Mv: Array
    Mo: Array
    gamma2: Array
    beta2: Array
    W1: Array
    b1: Array
    W2: Array
    b2: Array
    gamma3: Array
    beta3: Array


def decoder_block_forward(
    x: Array, memory: Array, block: DecoderBlock, heads: int, order: str = "post", mask: np.ndarray | None = None
) -> tuple[Array, Cache]:
    """Each token looks at itself and those before it; asks the memory; then feed-forward. A norm around each.

    Queries come from the tokens, keys and values from the memory (M): it is looked at as the encoder left it, so no
    norm stands before it.

    Args:
        x: (..., T, D).
        memory: (..., S, D).
        block: Weights.
        heads: Divides D.
        order: As `residual_norm_forward` has it.
        mask: Which of the memory may be looked at, as `attention_forward` has it.

    Returns:
        (..., T, D); and the cache.

    Example:
        >>> zero, I, one, none = np.zeros((2, 2)), np.eye(2), np.ones(2), np.zeros(2)
        >>> deaf = DecoderBlock(zero, zero, zero, zero, one, none, zero, zero, I, I, one, none, zero, none, zero, none,
        ...     one, none)
        >>> x, memory = np.zeros((3, 2)), np.array([[1.0, 2.0], [3.0, 6.0]])
        >>> print(decoder_block_forward(x, memory, deaf, heads=1, order="pre")[0][0])  # it adds the memory's mean
        [2. 4.]

    Source:
        LECTURES H5, H8, H9; Vaswani et al. 2017, 3.1.
    """
    before = causal_mask(x.shape[-2])

    def attend(x: Array) -> tuple[Array, Cache]:
        return multi_head_attention_forward(x, x, block.Wq, block.Wk, block.Wv, block.Wo, heads, before)

    def ask(x: Array) -> tuple[Array, Cache]:
        return multi_head_attention_forward(x, memory, block.Mq, block.Mk, block.Mv, block.Mo, heads, mask)

    def feed(x: Array) -> tuple[Array, Cache]:
        return feed_forward_forward(x, block.W1, block.b1, block.W2, block.b2)

    h, first = residual_norm_forward(x, attend, block.gamma1, block.beta1, order)
    h, second = residual_norm_forward(h, ask, block.gamma2, block.beta2, order)
    out, third = residual_norm_forward(h, feed, block.gamma3, block.beta3, order)
    return out, (first, second, third)


def decoder_block_backward(dout: Array, cache: Cache) -> tuple[Array, Array, DecoderBlock]:
    """The three parts, backward; what reaches the keys and values of the second is the memory's.

    Returns:
        dx, (..., T, D); dmemory, (..., S, D); and the gradients of all weights.
    """
    first, second, third = cache

    def attend_backward(d: Array, cache: Cache) -> tuple[Array, ...]:
        dx, dy, *rest = multi_head_attention_backward(d, cache)
        return dx + dy, *rest

    dh, dgamma3, dbeta3, feed = residual_norm_backward(dout, feed_forward_backward, third)
    dh, dgamma2, dbeta2, (dmemory, *ask) = residual_norm_backward(dh, multi_head_attention_backward, second)
    dx, dgamma1, dbeta1, attend = residual_norm_backward(dh, attend_backward, first)
    grads = DecoderBlock._make((*attend, dgamma1, dbeta1, *ask, dgamma2, dbeta2, *feed, dgamma3, dbeta3))
    return dx, dmemory, grads


def decoder_forward(
    x: Array,
    memory: Array,
    blocks: Sequence[DecoderBlock],
    heads: int,
    order: str = "post",
    mask: np.ndarray | None = None,
) -> tuple[Array, Cache]:
    """Blocks on top of each other, each of which looks at the same memory: what the encoder's last block gave.

    Args:
        x: Embeddings with their positions, (..., T, D).
        memory: (..., S, D).
        blocks: Weights of each.
        heads: Divides D.
        order: As `residual_norm_forward` has it.
        mask: Which of the memory may be looked at, as `attention_forward` has it.

    Returns:
        (..., T, D); and the cache.

    Example:
        >>> from chainrule.formulas import worked_transformer
        >>> x, heads, blocks = worked_transformer()
        >>> asking = [DecoderBlock(*b[:6], *b[:6], *b[6:]) for b in blocks]
        >>> whole, _ = decoder_forward(x, x, asking, heads)
        >>> first, _ = decoder_forward(x[:1], x, asking, heads)
        >>> np.allclose(first, whole[:1])  # later tokens change nothing
        True

    Source:
        LECTURES H5, H9.
    """
    caches = []
    for block in blocks:
        x, cache = decoder_block_forward(x, memory, block, heads, order, mask)
        caches.append(cache)
    return x, caches


def decoder_backward(dout: Array, cache: Cache) -> tuple[Array, Array, list[DecoderBlock]]:
    """From the last block to the first; the memory gets a share from each.

    Returns:
        dx, (..., T, D); dmemory, (..., S, D); and the gradients of each block's weights.
    """
    shares, grads = [], []
    for block in reversed(cache):
        dout, share, grad = decoder_block_backward(dout, block)
        shares.append(share)
        grads.append(grad)
    return dout, sum(shares[1:], shares[0]), grads[::-1]
