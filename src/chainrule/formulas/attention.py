"""Attention: every query looks at all keys, and takes the values of those that fit.

    scores   how well query m fits key n        dot, scaled, bilinear or additive
    attend   a = softmax over the keys, out = a v
    attention, cross, self, multi-head          where queries, keys and values come from

Shapes: M queries, N keys and values, D numbers of a query or key, Dv of a value; any number of axes may stand before
them, `...` (a batch, or heads).
"""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array, Cache
from chainrule.formulas.losses import softmax


def dot_scores_forward(q: Array, k: Array) -> tuple[Array, Cache]:
    """e_mn = q_m . k_n.

    Args:
        q: (..., M, D).
        k: (..., N, D).

    Returns:
        (..., M, N); and the cache.

    Example:
        >>> print(dot_scores_forward(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [3.0, 1.0]]))[0])
        [[1. 5.]]

    Source:
        LECTURES H1 (003's form).
    """
    return q @ _T(k), (q, k)


def dot_scores_backward(de: Array, cache: Cache) -> tuple[Array, Array]:
    """A product of matrices: each gets de times the other.

    Returns:
        dq, (..., M, D); dk, (..., N, D).
    """
    q, k = cache
    return de @ k, _T(de) @ q


def scaled_scores_forward(q: Array, k: Array) -> tuple[Array, Cache]:
    """e_mn = q_m . k_n / sqrt(D): as large for long vectors as for short ones, so that softmax does not saturate.

    Args:
        q: (..., M, D).
        k: (..., N, D).

    Returns:
        (..., M, N); and the cache.

    Example:
        >>> print(scaled_scores_forward(np.ones((1, 4)), np.array([[1.0, 0.0, 0.0, 0.0], [3.0, 1.0, 0.0, 0.0]]))[0])
        [[0.5 2. ]]

    Source:
        LECTURES H1, with D the dimension of queries and keys.
    """
    return q @ _T(k) / np.sqrt(q.shape[-1]), (q, k)


def scaled_scores_backward(de: Array, cache: Cache) -> tuple[Array, Array]:
    """As `dot_scores_backward`, scaled alike.

    Returns:
        dq, (..., M, D); dk, (..., N, D).
    """
    q, _ = cache
    return dot_scores_backward(de / np.sqrt(q.shape[-1]), cache)


def bilinear_scores_forward(q: Array, k: Array, W: Array) -> tuple[Array, Cache]:
    """e_mn = q_m W k_n: the learned query and key matrices of linear attention, multiplied into one.

    Args:
        q: (..., M, Dq).
        k: (..., N, Dk).
        W: (Dq, Dk).

    Returns:
        (..., M, N); and the cache.

    Example:
        >>> print(bilinear_scores_forward(np.array([[1.0, 2.0]]), np.array([[10.0]]), np.array([[3.0], [1.0]]))[0])
        [[50.]]

    Source:
        LECTURES H1 (003, 6.5.3).
    """
    return q @ W @ _T(k), (q, k, W)


def bilinear_scores_backward(de: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """Each of the three factors gets de times the other two.

    Returns:
        dq, (..., M, Dq); dk, (..., N, Dk); dW, (Dq, Dk).
    """
    q, k, W = cache
    return de @ k @ W.T, _T(de) @ q @ W, _all_but(_T(q) @ de @ k)


def additive_scores_forward(q: Array, k: Array, Wq: Array, Wk: Array, w: Array) -> tuple[Array, Cache]:
    """e_mn = w . tanh(q_m Wq + k_n Wk): a small network of one hidden layer says how well they fit.

    Args:
        q: (..., M, Dq).
        k: (..., N, Dk).
        Wq: (Dq, H).
        Wk: (Dk, H).
        w: (H,).

    Returns:
        (..., M, N); and the cache.

    Example:
        >>> one = np.ones((1, 1))
        >>> print(additive_scores_forward(one, np.array([[-1.0], [0.0]]), one, one, np.array([2.0]))[0].round(3))
        [[0.    1.523]]

    Source:
        LECTURES H1; Bahdanau et al. 2015, A.1.2.
    """
    hidden = np.tanh((q @ Wq)[..., :, None, :] + (k @ Wk)[..., None, :, :])  # (..., M, N, H)
    return hidden @ w, (q, k, Wq, Wk, w, hidden)


def additive_scores_backward(de: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array]:
    """Through tanh' to the two affine maps; a query meets all keys, so their gradients are added.

    Returns:
        dq, (..., M, Dq); dk, (..., N, Dk); dWq, (Dq, H); dWk, (Dk, H); dw, (H,).
    """
    q, k, Wq, Wk, w, hidden = cache
    da = de[..., None] * w * (1 - hidden**2)  # (..., M, N, H)
    daq, dak = da.sum(axis=-2), da.sum(axis=-3)  # (..., M, H), (..., N, H)
    dw = (de[..., None] * hidden).reshape(-1, len(w)).sum(axis=0)
    return daq @ Wq.T, dak @ Wk.T, _all_but(_T(q) @ daq), _all_but(_T(k) @ dak), dw


def causal_mask(T: int) -> np.ndarray:
    """True where query m may look at key n: n <= m, nothing of the future.

    Example:
        >>> print(causal_mask(3).astype(int))
        [[1 0 0]
         [1 1 0]
         [1 1 1]]

    Source:
        LECTURES H4.
    """
    return np.tril(np.ones((T, T), dtype=bool))


def attend_forward(e: Array, v: Array, mask: np.ndarray | None = None) -> tuple[Array, Cache]:
    """a = softmax(e) over the keys, out_m = sum_n a_mn v_n; a masked score counts as -infinity.

    Args:
        e: Scores, (..., M, N).
        v: Values, (..., N, Dv).
        mask: True where a query may look, (M, N) or (..., M, N), at least one key for each; None for everywhere.

    Returns:
        (..., M, Dv); and the cache.

    Example:
        >>> e, v = np.log(np.array([[1.0, 3.0]])), np.array([[0.0], [1.0]])
        >>> print(attend_forward(e, v)[0], attend_forward(e, v, mask=np.array([[True, False]]))[0])
        [[0.75]] [[0.]]

    Source:
        LECTURES H1, H4.
    """
    if mask is not None:
        e = np.where(mask, e, -np.inf)
    a = softmax(e.reshape(-1, e.shape[-1])).reshape(e.shape)
    return a @ v, (a, v)


def attend_backward(dout: Array, cache: Cache) -> tuple[Array, Array]:
    """de = a (da - sum of da a): the softmax's rows compete. Where a is 0, as behind a mask, nothing arrives.

    Returns:
        de, (..., M, N); dv, (..., N, Dv).
    """
    a, v = cache
    da = dout @ _T(v)
    return a * (da - (da * a).sum(axis=-1, keepdims=True)), _T(a) @ dout


def attention_forward(q: Array, k: Array, v: Array, mask: np.ndarray | None = None) -> tuple[Array, Cache]:
    """out = softmax(q k^T / sqrt(D)) v.

    Args:
        q: (..., M, D).
        k: (..., N, D).
        v: (..., N, Dv).
        mask: True where a query may look, (M, N); `causal_mask` for masked attention; None for everywhere.

    Returns:
        (..., M, Dv); and the cache.

    Example:
        >>> q, k, v = np.zeros((1, 4)), np.ones((2, 4)), np.array([[1.0], [3.0]])
        >>> print(attention_forward(q, k, v)[0])
        [[2.]]

    Source:
        LECTURES H1, H4.

    Departures:
        000's line for self-attention, e_ij = q_i . k_j, disagrees with its own sum over i; the query's index is that of
        the output. 003 does not scale (`dot_scores_forward`).
    """
    e, scores = scaled_scores_forward(q, k)
    out, attended = attend_forward(e, v, mask)
    return out, (scores, attended)


def attention_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """The two halves, backward.

    Returns:
        dq, (..., M, D); dk, (..., N, D); dv, (..., N, Dv).
    """
    scores, attended = cache
    de, dv = attend_backward(dout, attended)
    return *scaled_scores_backward(de, scores), dv


def cross_attention_forward(
    x: Array, y: Array, Wq: Array, Wk: Array, Wv: Array, mask: np.ndarray | None = None
) -> tuple[Array, Cache]:
    """Queries x Wq from one sequence (the decoder), keys y Wk and values y Wv from another (the encoder).

    Args:
        x: (..., M, Dx).
        y: (..., N, Dy).
        Wq: (Dx, D).
        Wk: (Dy, D).
        Wv: (Dy, Dv).
        mask: As `attention_forward` has it.

    Returns:
        (..., M, Dv); and the cache.

    Example:
        >>> one = np.ones((1, 1))
        >>> print(cross_attention_forward(np.zeros((1, 1)), np.array([[1.0], [3.0]]), one, one, one)[0])
        [[2.]]

    Source:
        LECTURES H5.
    """
    out, cache = attention_forward(x @ Wq, y @ Wk, y @ Wv, mask)
    return out, (x, y, Wq, Wk, Wv, cache)


def cross_attention_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array]:
    """y is reached over two paths, keys and values: their gradients are added.

    Returns:
        dx, dy, dWq, dWk, dWv, each in the shape of its own.
    """
    x, y, Wq, Wk, Wv, cache = cache
    dq, dk, dv = attention_backward(dout, cache)
    dy = dk @ Wk.T + dv @ Wv.T
    return dq @ Wq.T, dy, _all_but(_T(x) @ dq), _all_but(_T(y) @ dk), _all_but(_T(y) @ dv)


def self_attention_forward(
    x: Array, Wq: Array, Wk: Array, Wv: Array, mask: np.ndarray | None = None
) -> tuple[Array, Cache]:
    """Queries, keys and values all come from x: a set answers itself, and no order is known of.

    Args:
        x: (..., N, Dx).
        Wq: (Dx, D).
        Wk: (Dx, D).
        Wv: (Dx, Dv).
        mask: As `attention_forward` has it.

    Returns:
        (..., N, Dv), permuted as x is permuted; and the cache.

    Example:
        >>> one = np.ones((1, 1))
        >>> print(self_attention_forward(np.array([[0.0], [2.0]]), one, one, one)[0].round(3).T)
        [[1.    1.964]]

    Source:
        LECTURES H2.
    """
    return cross_attention_forward(x, x, Wq, Wk, Wv, mask)


def self_attention_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array, Array]:
    """x is reached over three paths, queries, keys and values: their gradients are added.

    Returns:
        dx, dWq, dWk, dWv, each in the shape of its own.
    """
    dx, dy, dWq, dWk, dWv = cross_attention_backward(dout, cache)
    return dx + dy, dWq, dWk, dWv


def multi_head_attention_forward(
    x: Array, y: Array, Wq: Array, Wk: Array, Wv: Array, Wo: Array, heads: int, mask: np.ndarray | None = None
) -> tuple[Array, Cache]:
    """Several attentions at once, each in its own D/heads columns; joined, then mixed by Wo. y is x: self-attention.

    Args:
        x: Gives the queries, (..., M, Dx).
        y: Gives keys and values, (..., N, Dy).
        Wq: (Dx, D).
        Wk: (Dy, D).
        Wv: (Dy, D).
        Wo: (D, Dout).
        heads: Divides D: 8 of 64 columns each where D = 512.
        mask: As `attention_forward` has it, the same for every head.

    Returns:
        (..., M, Dout); and the cache.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> zero, I = np.zeros((2, 2)), np.eye(2)
        >>> print(multi_head_attention_forward(x, x, zero, zero, I, I, heads=2)[0])
        [[2. 3.]
         [2. 3.]]

    Source:
        LECTURES H3; Vaswani et al. 2017, 3.2.2.
    """
    q, k, v = (_split(a, heads) for a in (x @ Wq, y @ Wk, y @ Wv))  # (..., heads, N, D/heads)
    if mask is not None and mask.ndim > 2:
        mask = mask[..., None, :, :]
    out, cache = attention_forward(q, k, v, mask)
    joined = _join(out)  # (..., M, D)
    return joined @ Wo, (x, y, Wq, Wk, Wv, Wo, heads, joined, cache)


def multi_head_attention_backward(dout: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Backward through Wo, then head by head, then as cross-attention.

    Returns:
        dx, dy, dWq, dWk, dWv, dWo, each in the shape of its own; for self-attention x gets dx + dy.
    """
    x, y, Wq, Wk, Wv, Wo, heads, joined, cache = cache
    dWo = _all_but(_T(joined) @ dout)
    dq, dk, dv = (_join(d) for d in attention_backward(_split(dout @ Wo.T, heads), cache))
    dy = dk @ Wk.T + dv @ Wv.T
    return dq @ Wq.T, dy, _all_but(_T(x) @ dq), _all_but(_T(y) @ dk), _all_but(_T(y) @ dv), dWo


def _T(a: Array) -> Array:
    """The last two axes change places."""
    return np.swapaxes(a, -1, -2)


def _all_but(d: Array) -> Array:
    """Weights serve every sequence: (..., D, K) -> (D, K), added."""
    return d.reshape(-1, *d.shape[-2:]).sum(axis=0)


def _split(a: Array, heads: int) -> Array:
    """(..., N, D) -> (..., heads, N, D/heads)."""
    return np.moveaxis(a.reshape(*a.shape[:-1], heads, -1), -2, -3)


def _join(a: Array) -> Array:
    """(..., heads, N, D/heads) -> (..., N, D)."""
    a = np.moveaxis(a, -3, -2)
    return a.reshape(*a.shape[:-2], -1)
