"""Transformers: attention between tokens, a network at each of them, and the sums and norms that hold both together.

    sinusoidal_positions    where a token stands
    feed_forward            at each position alone
    residual_norm           three orders of a sum and a norm around either
    transformer_block       self-attention in heads, then feed-forward
    transformer             blocks on top of each other; `transformer_trace` shows every number

Shapes: T tokens of D numbers, F hidden ones; other axes may stand before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from chainrule.formulas._array import Array, Cache
from chainrule.formulas.activations import relu_backward, relu_forward
from chainrule.formulas.attention import multi_head_attention_backward, multi_head_attention_forward
from chainrule.formulas.norms import layer_norm_backward, layer_norm_forward


def sinusoidal_positions(T: int, D: int) -> Array:
    """PE(p, 2i) = sin(p / 10000^(2i/D)), PE(p, 2i+1) = cos(p / 10000^(2i/D)), i from 0.

    Each pair is a hand of a clock; the first turns by one radian a position, the last about 10000 times slower. A shift
    by k positions turns every hand by a fixed angle: a linear map that does not depend on p.

    Args:
        T: Positions, from 0.
        D: Numbers of each, even.

    Returns:
        (T, D).

    Example:
        >>> print(sinusoidal_positions(2, 4).round(4))
        [[0.     1.     0.     1.    ]
         [0.8415 0.5403 0.01   1.    ]]

    Source:
        LECTURES H6; Vaswani et al. 2017, 3.5.

    Departures:
        003 counts i from 1.
    """
    angle = np.arange(T)[:, None] / 10_000 ** (np.arange(0, D, 2) / D)  # (T, D/2)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(T, D)


def feed_forward_forward(x: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> tuple[Array, Cache]:
    """out = relu(x W1 + b1) W2 + b2, at each position alone: without it attention only mixes values, linearly.

    Args:
        x: (..., T, D).
        W1: (D, F).
        b1: (F,).
        W2: (F, D).
        b2: (D,).

    Returns:
        (..., T, D); and the cache.

    Example:
        >>> one = np.ones((1, 1))
        >>> print(feed_forward_forward(np.array([[2.0], [-2.0]]), one, np.zeros(1), 3 * one, np.ones(1))[0].T)
        [[7. 1.]]

    Source:
        LECTURES H7; Vaswani et al. 2017, 3.3.
    """
    hidden, relu = relu_forward(x @ W1 + b1)  # (..., T, F)
    return hidden @ W2 + b2, (x, W1, W2, hidden, relu)


def feed_forward_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array]:
    """Two affine layers and a gate; every position adds to the same weights.

    Returns:
        dx, dW1, db1, dW2, db2, each in the shape of its own.
    """
    x, W1, W2, hidden, relu = cache
    da = relu_backward(dout @ W2.T, relu)
    return da @ W1.T, _product(x, da), _added(da), _product(hidden, dout), _added(dout)


def residual_norm_forward(
    x: Array, f: Callable[[Array], tuple[Array, Cache]], gamma: Array, beta: Array, order: str
) -> tuple[Array, Cache]:
    """post: LN(x + f(x)); pre: x + f(LN(x)); inner: x + LN(f(x)).

    Args:
        x: (..., T, D).
        f: Attention or feed-forward: x -> out, cache.
        gamma: Of the norm, (D,).
        beta: Of the norm, (D,).
        order: "post", as in the paper; "pre", as in practice; "inner", as in 003's text.

    Returns:
        (..., T, D); and the cache.

    Example:
        >>> x, one = np.array([[1.0, 3.0]]), np.ones(2)
        >>> for order in ("post", "pre", "inner"):
        ...     print(residual_norm_forward(x, lambda x: (2 * x, None), one, 0 * one, order)[0].round(3))
        [[-1.  1.]]
        [[-1.  5.]]
        [[0. 4.]]

    Source:
        LECTURES H8.
    """
    if order == "post":
        y, cache = f(x)
        out, norm = layer_norm_forward(x + y, gamma, beta)
    elif order == "pre":
        normed, norm = layer_norm_forward(x, gamma, beta)
        y, cache = f(normed)
        out = x + y
    else:
        y, cache = f(x)
        normed, norm = layer_norm_forward(y, gamma, beta)
        out = x + normed
    return out, (cache, norm, order)


def residual_norm_backward(
    dout: Array, f_backward: Callable[[Array, Cache], tuple[Array, ...]], cache: Cache
) -> tuple[Array, Array, Array, tuple[Array, ...]]:
    """x is reached over two paths, around f and through it. In "pre" nothing stands on the way around.

    Args:
        dout: (..., T, D).
        f_backward: dout, cache -> dx and the gradients of f's weights.
        cache: From `residual_norm_forward`.

    Returns:
        dx, dgamma, dbeta, and the gradients of f's weights.
    """
    cache, norm, order = cache
    if order == "post":
        around, dgamma, dbeta = layer_norm_backward(dout, norm)
        through, *rest = f_backward(around, cache)
    elif order == "pre":
        around = dout
        dnormed, *rest = f_backward(dout, cache)
        through, dgamma, dbeta = layer_norm_backward(dnormed, norm)
    else:
        around = dout
        dy, dgamma, dbeta = layer_norm_backward(dout, norm)
        through, *rest = f_backward(dy, cache)
    return around + through, dgamma, dbeta, tuple(rest)


class Block(NamedTuple):
    """The weights of a block, or their gradients: (D, D) four times, (D,) twice, (D, F), (F,), (F, D), (D,) thrice."""

    Wq: Array
    Wk: Array
    Wv: Array
    Wo: Array
    gamma1: Array
    beta1: Array
    W1: Array
    b1: Array
    W2: Array
    b2: Array
    gamma2: Array
    beta2: Array


def transformer_block_forward(
    x: Array, block: Block, heads: int, order: str = "post", mask: np.ndarray | None = None
) -> tuple[Array, Cache]:
    """Self-attention in heads, then feed-forward, each in a residual with its norm.

    Args:
        x: (..., T, D).
        block: Weights.
        heads: Divides D.
        order: As `residual_norm_forward` has it.
        mask: As `attention_forward` has it.

    Returns:
        (..., T, D); and the cache.

    Example:
        >>> x, _, blocks = worked_transformer()
        >>> print(transformer_block_forward(x, blocks[0], heads=2)[0].round(2)[0])
        [ 1.2  -1.56  0.36  0.  ]

    Source:
        LECTURES H3, H7, H8; Vaswani et al. 2017, 3.1.
    """

    def attend(x: Array) -> tuple[Array, Cache]:
        return multi_head_attention_forward(x, x, block.Wq, block.Wk, block.Wv, block.Wo, heads, mask)

    def feed(x: Array) -> tuple[Array, Cache]:
        return feed_forward_forward(x, block.W1, block.b1, block.W2, block.b2)

    h, first = residual_norm_forward(x, attend, block.gamma1, block.beta1, order)
    out, second = residual_norm_forward(h, feed, block.gamma2, block.beta2, order)
    return out, (first, second, h)


def transformer_block_backward(dout: Array, cache: Cache) -> tuple[Array, Block]:
    """The two parts, backward.

    Returns:
        dx, (..., T, D); and the gradients of all weights.
    """
    first, second, _ = cache

    def attend_backward(d: Array, cache: Cache) -> tuple[Array, ...]:
        dx, dy, *rest = multi_head_attention_backward(d, cache)
        return dx + dy, *rest

    dh, dgamma2, dbeta2, feed = residual_norm_backward(dout, feed_forward_backward, second)
    dx, dgamma1, dbeta1, attention = residual_norm_backward(dh, attend_backward, first)
    return dx, Block._make((*attention, dgamma1, dbeta1, *feed, dgamma2, dbeta2))


def transformer_forward(
    x: Array, blocks: Sequence[Block], heads: int, order: str = "post", mask: np.ndarray | None = None
) -> tuple[Array, Cache]:
    """Blocks on top of each other: an encoder; with `causal_mask` the decoder of a language model.

    Args:
        x: Embeddings with their positions, (..., T, D).
        blocks: Weights of each.
        heads: Divides D.
        order: As `residual_norm_forward` has it.
        mask: As `attention_forward` has it.

    Returns:
        (..., T, D); and the cache.

    Example:
        >>> x, heads, blocks = worked_transformer()
        >>> print(transformer_forward(x, blocks, heads)[0].round(3)[0])
        [ 1.575  0.136 -0.988 -0.723]

    Source:
        LECTURES H2, H9.
    """
    caches = []
    for block in blocks:
        x, cache = transformer_block_forward(x, block, heads, order, mask)
        caches.append(cache)
    return x, caches


def transformer_backward(dout: Array, cache: Cache) -> tuple[Array, list[Block]]:
    """From the last block to the first.

    Returns:
        dx, (..., T, D); and the gradients of each block's weights.
    """
    grads = []
    for block in reversed(cache):
        dout, grad = transformer_block_backward(dout, block)
        grads.append(grad)
    return dout, grads[::-1]


def worked_transformer() -> tuple[Array, int, list[Block]]:
    """Three tokens of four numbers, two heads, and two blocks whose weights can be multiplied by hand.

    All weights but the factors 2 and 1/2 are 0, 1 or -1: matrices that keep the four numbers, move them on by one place
    or by two, add up what stands before, or take the difference of neighbours.

    Returns:
        x, (3, 4); how many heads; the blocks.

    Example:
        >>> x, heads, blocks = worked_transformer()
        >>> x.shape, heads, len(blocks), blocks[0].W1.shape
        ((3, 4), 2, 2, (4, 4))

    Source:
        LECTURES H2: two layers, N = 3, D = 4. The notes' figures are not in their text; these numbers are ours.
    """
    x = np.array([[1.0, 0, 2, 0], [0, 2, 0, 1], [1, 1, 0, 3]])
    eye, zero = np.eye(4), np.zeros(4)
    shift, swap = np.roll(eye, 1, axis=1), np.roll(eye, 2, axis=1)
    W1, W2 = np.triu(np.ones((4, 4))), eye - shift
    first = Block(eye, eye, shift, eye, np.ones(4), zero, W1, zero, W2, zero, np.ones(4), zero)
    return x, 2, [first, first._replace(Wq=swap, Wv=2 * eye, Wo=shift, W2=W2 / 2)]


class Line(NamedTuple):
    """A line of a trace: which block (from 1), the name of what is computed, how, and its numbers.

    Written as text, heads stand beside each other, one row a token.

    Example:
        >>> print(Line(1, "q", "x Wq, in heads", np.array([[[1.0, 0.5]], [[-0.0, 2.0]]])))
        1  q = x Wq, in heads, 2x1x2
            1.0000  0.5000 |  0.0000  2.0000
    """

    block: int
    name: str
    how: str
    value: Array

    def __str__(self) -> str:
        heads = self.value if self.value.ndim == 3 else self.value[None]
        rows = [
            "  " + " |".join("".join(f"{number + 0.0:8.4f}" for number in part) for part in parts)
            for parts in zip(*np.where(np.abs(heads) < 5e-5, 0.0, heads), strict=True)
        ]
        shape = "x".join(map(str, self.value.shape))
        return "\n".join([f"{self.block}  {self.name} = {self.how}, {shape}", *rows])


def transformer_trace(x: Array, blocks: Sequence[Block], heads: int, mask: np.ndarray | None = None) -> list[Line]:
    """Every number of a forward pass in the paper's order, LN(x + f(x)), line by line.

    Args:
        x: (T, D).
        blocks: Weights of each.
        heads: Divides D.
        mask: As `attention_forward` has it.

    Returns:
        The lines; the last one's value is what `transformer_forward` gives.

    Example:
        >>> x, heads, blocks = worked_transformer()
        >>> for line in transformer_trace(x, blocks, heads)[:6]:
        ...     print(line.block, line.name, "=", line.how, line.value.shape)
        1 x = the tokens (3, 4)
        1 q = x Wq, in heads (2, 3, 2)
        1 k = x Wk, in heads (2, 3, 2)
        1 v = x Wv, in heads (2, 3, 2)
        1 e = q k' / sqrt(2) (2, 3, 3)
        1 a = softmax of e (2, 3, 3)

    Source:
        LECTURES H2.
    """
    lines = []
    _, caches = transformer_forward(x, blocks, heads, "post", mask)
    for number, (block, (first, second, h)) in enumerate(zip(blocks, caches, strict=True), 1):
        *_, joined, ((q, k), (a, v)) = first[0]
        inside, *_, hidden, _ = second[0]
        z, y = joined @ block.Wo, hidden @ block.W2 + block.b2
        e = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
        if mask is not None:
            e = np.where(mask, e, -np.inf)
        out = layer_norm_forward(h + y, block.gamma2, block.beta2)[0]
        lines += [
            Line(number, "x", "the tokens" if number == 1 else "out of the block before", x),
            Line(number, "q", "x Wq, in heads", q),
            Line(number, "k", "x Wk, in heads", k),
            Line(number, "v", "x Wv, in heads", v),
            Line(number, "e", f"q k' / sqrt({q.shape[-1]})", e),
            Line(number, "a", "softmax of e", a),
            Line(number, "c", "a v, heads joined", joined),
            Line(number, "z", "c Wo", z),
            Line(number, "s", "x + z", x + z),
            Line(number, "h", "LN(s)", inside),
            Line(number, "u", "relu(h W1 + b1)", hidden),
            Line(number, "y", "u W2 + b2", y),
            Line(number, "r", "h + y", h + y),
            Line(number, "out", "LN(r)", out),
        ]
        x = out
    return lines


def _product(x: Array, d: Array) -> Array:
    """x' d, added over all positions."""
    return x.reshape(-1, x.shape[-1]).T @ d.reshape(-1, d.shape[-1])


def _added(d: Array) -> Array:
    """The sum over all positions."""
    return d.reshape(-1, d.shape[-1]).sum(axis=0)
