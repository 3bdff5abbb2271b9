"""Attention, and what people write instead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.analysis.compare._building import backward_of, forward_of
from chainrule.analysis.compare._formula import Argument, Case, Formula, Line, Slip, Values
from chainrule.formulas import (
    attention_backward,
    attention_forward,
    causal_mask,
    cross_attention_backward,
    cross_attention_forward,
    multi_head_attention_backward,
    multi_head_attention_forward,
    self_attention_backward,
    self_attention_forward,
)

_QKV = (
    Argument("q", ("query", "queries")),
    Argument("k", ("key", "keys")),
    Argument("v", ("value", "values")),
)
_MASK = Argument("mask", ("attn_mask", "causal", "m"))


def _T(a: np.ndarray) -> np.ndarray:
    return np.swapaxes(a, -1, -2)


def _softmax(e: np.ndarray, axis: int = -1) -> np.ndarray:
    exp = np.exp(e - e.max(axis=axis, keepdims=True))
    return exp / exp.sum(axis=axis, keepdims=True)


def _cases(rng: np.random.Generator, *, masked: bool) -> list[Case]:
    def case(name: str, M: int, N: int, D: int, Dv: int, *, scale: float = 1.0) -> Case:
        M = N if masked else M
        values = {
            "q": scale * rng.standard_normal((M, D)),
            "k": rng.standard_normal((N, D)),
            "v": rng.standard_normal((N, Dv)),
        }
        return Case(name, {**values, "mask": causal_mask(N)} if masked else values)

    return [
        case("queries and keys", 3, 4, 5, 2), case("one query", 1, 5, 3, 4), case("one key", 4, 1, 3, 2),
        case("all sizes equal", 3, 3, 3, 3),
        case("one number", 2, 3, 1, 1), case("as many queries as keys", 4, 4, 2, 3), case("long vectors", 3, 5, 16, 2),
        case("sharp scores", 3, 4, 4, 3, scale=6.0),
        case("scores that overflow an exponential", 2, 3, 4, 2, scale=9000.0),
        case("another size", 6, 2, 7, 5),
    ]  # fmt: skip


def _scored(values: Line, masked: bool) -> dict[str, Line]:
    return {
        "raw": lambda v: v.q @ _T(v.k),
        "scale": lambda v: np.sqrt(v.q.shape[-1]),
        "e": lambda v: v.raw / v.scale,
        "hidden": lambda v: np.where(v.mask, v.e, -np.inf) if masked else v.e,
        "a": lambda v: _softmax(v.hidden),
        "values": values,
        "out": lambda v: v.a @ v.values,
        "da": lambda v: v.dout @ _T(v.values),
        "de": lambda v: v.a * (v.da - (v.da * v.a).sum(axis=-1, keepdims=True)),
        "dscale": lambda v: v.scale,
        "dq": lambda v: v.de @ v.k / v.dscale,
        "dk": lambda v: _T(v.de) @ v.q / v.dscale,
        "dv": lambda v: _T(v.a) @ v.dout,
    }


_SLIPS = (
    Slip("no-scaling", "the scores are not divided by the root of D, as 003 has it",
         {"scale": lambda v: 1.0}, convention="003"),
    Slip("scaled-by-d", "the scores are divided by D, not by its root", {"scale": lambda v: v.q.shape[-1]}),
    Slip("scale-multiplied", "the scores are multiplied by the root of D, not divided",
         {"scale": lambda v: 1 / np.sqrt(v.q.shape[-1])}),
    Slip("scaled-by-number-of-keys", "the root is that of the number of keys, not of D",
         {"scale": lambda v: np.sqrt(len(v.k))}),
    Slip("scaled-by-value-dimension", "the root is that of the dimension of the values",
         {"scale": lambda v: np.sqrt(v.v.shape[-1])}),
    Slip("softmax-over-queries", "the softmax runs over the queries, not over the keys",
         {"a": lambda v: _softmax(v.hidden, axis=-2)}),
    Slip("softmax-over-everything", "the softmax is normalized over all scores",
         {"a": lambda v: _softmax(v.hidden.reshape(1, -1)).reshape(v.hidden.shape)}),
    Slip("softmax-forgotten", "the scores are used without a softmax", {"a": lambda v: v.e}),
    Slip("no-max-subtraction", "large scores overflow the exponential: the largest score is not subtracted first",
         {"a": lambda v: np.exp(v.hidden) / np.exp(v.hidden).sum(axis=-1, keepdims=True)}),
    Slip("scaled-after-softmax", "the softmax is divided by the root of D, not the scores",
         {"e": lambda v: v.raw, "out": lambda v: v.a @ v.values / v.scale}),
    Slip("keys-instead-of-values", "the keys are averaged, not the values", {"values": lambda v: v.k}),
    Slip("scale-forgotten-in-backward", "the scale is forgotten on the way back", {"dscale": lambda v: 1.0}),
    Slip("softmax-backward-forgotten", "the gradient does not pass through the softmax", {"de": lambda v: v.da}),
    Slip("softmax-competition-forgotten", "in the softmax's gradient, the term by which the keys compete is missing",
         {"de": lambda v: v.a * v.da}),
    Slip("softmax-diagonal-only", "the softmax's gradient is that of a sigmoid: only its diagonal is used",
         {"de": lambda v: v.a * (1 - v.a) * v.da}),
    Slip("competition-over-the-wrong-axis", "in the softmax's gradient, the sum runs over the queries",
         {"de": lambda v: v.a * (v.da - (v.da * v.a).sum(axis=-2, keepdims=True))}),
    Slip("attention-not-transposed", "dv is made with the weights of attention not transposed",
         {"dv": lambda v: v.a @ v.dout}),
)  # fmt: skip

ATTENTION = Formula(
    "attention", "scaled dot-product attention", "H1", _QKV, ("out",), ("dq", "dk", "dv"),
    forward_of(attention_forward, "q k v"), backward_of(attention_forward, attention_backward, "q k v", "dq dk dv"),
    lambda rng: _cases(rng, masked=False), lines=_scored(lambda v: v.v, masked=False), slips=_SLIPS,
    words=("scaled_dot_product_attention", "dot_product_attention", "sdpa"),
)  # fmt: skip

MASKED_ATTENTION = Formula(
    "masked_attention", "masked (causal) attention",
    "H4", (*_QKV, Argument("mask", _MASK.words, np.zeros(0))), ("out",), ("dq", "dk", "dv"),
    forward_of(attention_forward, "q k v seen"), backward_of(attention_forward, attention_backward, "q k v seen",
    "dq dk dv"),
    lambda rng: [Case(c.name, {**c.values, "seen": c.values["mask"]}) for c in _cases(rng, masked=True)],
    lines={**_scored(lambda v: v.v, masked=True), "hidden": lambda v: np.where(v.seen, v.e, v.outside),
    "outside": lambda v: -np.inf},
    slips=(
        Slip("mask-after-softmax", "the mask is applied after the softmax: the rows no longer sum to 1",
             {"a": lambda v: _softmax(v.e) * v.seen}),
        Slip("mask-forgotten", "the mask is not used: the future is seen", {"hidden": lambda v: v.e}),
        Slip("mask-with-zero", "masked scores are set to 0, which is a score like others",
             {"hidden": lambda v: v.e * v.seen}),
        Slip("mask-inverted", "the mask hides what should be seen, and shows what should be hidden",
             {"hidden": lambda v: np.where(v.seen, -1e9, v.e)}),
        Slip("mask-inverted", "the past is hidden, and the future is seen",
             {"hidden": lambda v: np.where(v.seen.T, v.e, -np.inf)}),
        Slip("diagonal-masked", "a query does not see its own position", {"hidden": lambda v: np.where(
            v.seen & ~np.eye(len(v.seen), dtype=bool), v.e, -1e9)}),
        Slip("mask-one-too-far", "a query sees one position of the future", {"hidden": lambda v: np.where(
            np.tril(np.ones(v.seen.shape), 1) > 0, v.e, -np.inf)}),
        Slip("mask-too-weak", "masked scores are lowered, but not far enough", {"outside": lambda v: -1.0}),
        *_SLIPS,
    ),
    words=("causal_attention", "causal_self_attention"),
)  # fmt: skip

_X = Argument("x", ("input", "X", "h", "tokens", "decoder"))
_Y = Argument("y", ("context", "memory", "encoder", "enc", "Y", "source", "c"))


def _w(name: str) -> Argument:
    return Argument(
        name, (name[0] + "_" + name[1], {"q": "query", "k": "key", "v": "value", "o": "out"}[name[1]] + "_weight")
    )


def _projected(rng: np.random.Generator, *, cross: bool, heads: bool = False) -> list[Case]:
    def case(name: str, M: int, N: int, Dx: int, D: int, H: int = 1, *, scale: float = 1.0) -> Case:
        N, Dy = (N, Dx + 1) if cross else (M, Dx)
        sizes = {"x": (M, Dx), "Wq": (Dx, D), "Wk": (Dy, D), "Wv": (Dy, D if heads else D + 1)}
        if cross:
            sizes["y"] = (N, Dy)
        if heads:
            sizes["Wo"] = (D, D)
        values: dict[str, object] = {key: rng.standard_normal(size) for key, size in sizes.items()}
        values["x"] = scale * rng.standard_normal(sizes["x"])
        return Case(name, {**values, "heads": H} if heads else values)

    return [
        case("a sequence", 3, 4, 5, 4, 2), case("one position", 1, 2, 3, 2, 2), case("all sizes equal", 4, 4, 4, 4, 4),
        case("one head", 3, 2, 2, 6, 1), case("long vectors", 2, 5, 4, 16, 4), case("three heads", 5, 3, 6, 6, 3),
        case("another sequence", 6, 3, 3, 8, 2), case("two positions", 2, 6, 5, 4, 2),
        case("scores that overflow an exponential", 3, 4, 3, 4, 2, scale=1e4),
    ]  # fmt: skip


def _of_projections(source: str) -> dict[str, Line]:
    """Attention on q = x Wq, k = source Wk, v = source Wv."""
    scored = _scored(lambda v: v.vs, masked=False)
    return {
        **scored,
        "q": lambda v: v.x @ v.Wq, "k": lambda v: getattr(v, source) @ v.Wk, "vs": lambda v: getattr(v, source) @ v.Wv,
        "v": lambda v: v.vs,
        "through_q": lambda v: v.dq @ v.Wq.T, "through_k": lambda v: v.dk @ v.Wk.T,
        "through_v": lambda v: v.dv @ v.Wv.T,
        "dWq": lambda v: v.x.T @ v.dq, "dWk": lambda v: getattr(v, source).T @ v.dk,
        "dWv": lambda v: getattr(v, source).T @ v.dv,
    }  # fmt: skip


_PATHS = (
    Slip("path-through-q-forgotten", "the path through the queries is forgotten", {"through_q": lambda v: 0.0}),
    Slip("path-through-k-forgotten", "the path through the keys is forgotten", {"through_k": lambda v: 0.0}),
    Slip("path-through-v-forgotten", "the path through the values is forgotten", {"through_v": lambda v: 0.0}),
    Slip("queries-and-keys-swapped", "queries and keys have changed places", {"raw": lambda v: v.k @ _T(v.q)}),
    Slip("queries-and-values-swapped", "the values are made with the queries' weights", {"vs": lambda v: v.q}),
)

SELF_ATTENTION = Formula(
    "self_attention", "self-attention", "H2", (_X, _w("Wq"), _w("Wk"), _w("Wv")), ("out",), ("dx", "dWq", "dWk", "dWv"),
    forward_of(self_attention_forward, "x Wq Wk Wv"),
    backward_of(self_attention_forward, self_attention_backward, "x Wq Wk Wv", "dx dWq dWk dWv"),
    lambda rng: _projected(rng, cross=False),
    lines={**_of_projections("x"), "dx": lambda v: v.through_q + v.through_k + v.through_v}, slips=(*_PATHS, *_SLIPS),
)  # fmt: skip

CROSS_ATTENTION = Formula(
    "cross_attention", "cross-attention", "H5", (_X, _Y, _w("Wq"), _w("Wk"), _w("Wv")), ("out",), ("dx", "dy", "dWq",
    "dWk", "dWv"),
    forward_of(cross_attention_forward, "x y Wq Wk Wv"),
    backward_of(cross_attention_forward, cross_attention_backward, "x y Wq Wk Wv", "dx dy dWq dWk dWv"),
    lambda rng: _projected(rng, cross=True),
    lines={**_of_projections("y"), "dx": lambda v: v.through_q, "dy": lambda v: v.through_k + v.through_v},
    slips=(*_PATHS, *_SLIPS),
)  # fmt: skip


def _heads_backward(v: Values) -> dict[str, np.ndarray]:
    cache = multi_head_attention_forward(v.x, v.x, v.Wq, v.Wk, v.Wv, v.Wo, v.heads)[1]
    dx, dy, *weights = multi_head_attention_backward(v.dout, cache)
    return dict(zip(("dx", "dWq", "dWk", "dWv", "dWo"), (dx + dy, *weights)))


def _split(a: np.ndarray, heads: int) -> np.ndarray:
    return a.reshape(len(a), heads, -1).swapaxes(0, 1)


def _interleaved(a: np.ndarray, heads: int) -> np.ndarray:
    return np.moveaxis(a.reshape(len(a), -1, heads), 2, 0)


def _reshaped(a: np.ndarray, heads: int) -> np.ndarray:
    return a.reshape(heads, len(a), -1)


def _apart(split: Callable[[np.ndarray, int], np.ndarray]) -> Line:
    return lambda v: [split(a, v.heads) for a in (v.x @ v.Wq, v.x @ v.Wk, v.x @ v.Wv)]


MULTI_HEAD = Formula(
    "multi_head_attention", "multi-head self-attention", "H3",
    (_X, _w("Wq"), _w("Wk"), _w("Wv"), _w("Wo"), Argument("heads", ("num_heads", "n_heads", "h", "nhead",
    "H"), array=False)),
    ("out",), ("dx", "dWq", "dWk", "dWv", "dWo"),
    lambda v: {"out": multi_head_attention_forward(v.x, v.x, v.Wq, v.Wk, v.Wv, v.Wo, v.heads)[0]}, _heads_backward,
    lambda rng: _projected(rng, cross=False, heads=True),
    lines={
        "heads_qkv": _apart(_split),
        "width": lambda v: v.heads_qkv[0].shape[-1],
        "e": lambda v: v.heads_qkv[0] @ _T(v.heads_qkv[1]) / np.sqrt(v.width),
        "a": lambda v: _softmax(v.e),
        "each": lambda v: v.a @ v.heads_qkv[2],
        "joined": lambda v: v.each.swapaxes(0, 1).reshape(len(v.x), -1),
        "out": lambda v: v.joined @ v.Wo,
    },
    slips=(
        Slip("scaled-by-whole-dimension", "the root is that of all D numbers, not of the D/heads of one head",
             {"width": lambda v: v.Wq.shape[1]}),
        Slip("scaled-by-d", "the scores are divided by D, not by its root",
             {"width": lambda v: v.heads_qkv[0].shape[-1] ** 2}),
        Slip("no-scaling", "the scores are not divided by the root of D, as 003 has it",
             {"width": lambda v: 1.0}, convention="003"),
        Slip("output-projection-forgotten", "the heads are joined, but not mixed by Wo", {"out": lambda v: v.joined}),
        Slip("heads-interleaved", "a head takes every h-th column; here it takes consecutive ones",
             {"heads_qkv": _apart(_interleaved), "joined": lambda v: np.moveaxis(v.each, 0, 2).reshape(len(v.x), -1)},
             convention="order of the columns"),
        Slip("heads-mix-positions", "reshaping without exchanging axes mixes positions and heads",
             {"heads_qkv": _apart(_reshaped), "joined": lambda v: v.each.reshape(len(v.x), -1)}),
        Slip("heads-joined-in-the-wrong-order", "the heads are joined without exchanging axes: positions are mixed",
             {"joined": lambda v: v.each.reshape(len(v.x), -1)}),
        Slip("one-head", "all columns are one head: it is not split",
             {"heads_qkv": lambda v: [a[None] for a in (v.x @ v.Wq, v.x @ v.Wk, v.x @ v.Wv)]}),
        Slip("heads-averaged", "the heads are averaged, not joined",
             {"joined": lambda v: np.tile(v.each.mean(axis=0), v.heads)}),
        Slip("softmax-over-queries", "the softmax runs over the queries, not over the keys",
             {"a": lambda v: _softmax(v.e, axis=-2)}),
        Slip("softmax-over-heads", "the softmax runs over the heads, not over the keys",
             {"a": lambda v: _softmax(v.e, axis=0)}),
    ),
    words=("multihead", "multi_head", "mha", "multi_head_self_attention", "multihead_attention"),
)  # fmt: skip

FORMULAS = (ATTENTION, MASKED_ATTENTION, SELF_ATTENTION, CROSS_ATTENTION, MULTI_HEAD)
