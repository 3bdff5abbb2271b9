"""Convolution and pooling, and what people write instead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.analysis.compare._building import away, backward_of, distinct, forward_of
from chainrule.analysis.compare._formula import Argument, Case, Formula, Slip, Values
from chainrule.formulas import (
    average_pool_backward,
    average_pool_forward,
    conv_backward,
    conv_forward,
    max_pool_backward,
    max_pool_forward,
)

X = Argument("x", ("input", "inputs", "images", "a", "X", "img", "a_prev", "data"))
_CONV = (
    X,
    Argument("w", ("W", "weight", "weights", "filters", "kernel", "k")),
    Argument("b", ("bias", "biases")),
    Argument("stride", ("s",), 1, array=False),
    Argument("pad", ("padding", "p"), 0, array=False),
)
_CONV_NAMES = "x w b stride pad"


def _conv_cases(rng: np.random.Generator) -> list[Case]:
    def case(name: str, n: int, c: int, size: tuple[int, int], k: int, f: int, s: int, p: int) -> Case:
        values = {"x": away(rng, n, c, *size), "w": away(rng, k, c, f, f), "b": away(rng, k), "stride": s, "pad": p}
        return Case(name, values, ("stride",) if s > 1 else ("pad",) if p else ())

    return [
        case("plain", 2, 3, (5, 5), 2, 3, 1, 0), case("one image", 1, 2, (4, 4), 3, 3, 1, 0),
        case("padding", 2, 2, (4, 4), 3, 3, 1, 1), case("stride 2", 2, 3, (5, 5), 2, 3, 2, 1),
        case("sizes that do not divide", 1, 2, (6, 6), 2, 3, 2, 0), case("one channel", 3, 1, (4, 4), 1, 2, 1, 0),
        case("1 x 1 filters", 2, 3, (3, 3), 4, 1, 1, 0), case("filter as large as the image", 2, 2, (3, 3), 2, 3, 1, 0),
        case("not square", 2, 2, (4, 7), 3, 3, 1, 1), case("even filters", 1, 2, (6, 4), 2, 2, 2, 0),
        case("stride above the filter", 1, 1, (7, 7), 2, 2, 3, 0), case("more padding", 1, 2, (3, 3), 2, 3, 1, 2),
    ]  # fmt: skip


def _forward_with(v: Values) -> np.ndarray:
    return conv_forward(v.x_seen, v.w_seen, v.b_seen, v.stride_seen, v.pad_seen)[0]


def _backward_with(v: Values) -> tuple[np.ndarray, ...]:
    cache = conv_forward(v.x_back, v.w_back, v.b, v.stride, v.pad)[1]
    return conv_backward(v.dout, cache)


def _filters_assigned(v: Values) -> np.ndarray:
    """dx where each window overwrites what the windows before it gave."""
    F, H, W = v.w.shape[2], v.x.shape[2], v.x.shape[3]
    dpadded = np.zeros((*v.x.shape[:2], H + 2 * v.pad, W + 2 * v.pad))
    for i in range(v.dout.shape[2]):
        for j in range(v.dout.shape[3]):
            given = np.einsum("nk,kcuv->ncuv", v.dout[:, :, i, j], v.w)
            dpadded[:, :, i * v.stride : i * v.stride + F, j * v.stride : j * v.stride + F] = given
    return dpadded[:, :, v.pad : v.pad + H, v.pad : v.pad + W]


def _flip(w: np.ndarray) -> np.ndarray:
    return w[:, :, ::-1, ::-1]


def _edge(v: Values) -> np.ndarray:
    return np.pad(v.x, ((0, 0), (0, 0), (v.pad, v.pad), (v.pad, v.pad)), mode="edge")


CONV = Formula(
    "conv", "convolution", "D1", _CONV, ("out",), ("dx", "dw", "db"),
    forward_of(conv_forward, _CONV_NAMES), backward_of(conv_forward, conv_backward, _CONV_NAMES, "dx dw db"),
    _conv_cases, packs={"conv_param": {"stride": "stride", "pad": "pad"}},
    lines={
        "x_seen": lambda v: v.x, "w_seen": lambda v: v.w, "b_seen": lambda v: v.b,
        "stride_seen": lambda v: v.stride, "pad_seen": lambda v: v.pad,
        "x_back": lambda v: v.x, "w_back": lambda v: v.w,
        "out": _forward_with,
        "back": _backward_with,
        "dx": lambda v: v.back[0], "dw": lambda v: v.back[1], "db": lambda v: v.back[2],
    },
    slips=(
        Slip("kernel-flipped", "the filter is flipped: a true convolution, where every library correlates",
             {"w_seen": lambda v: _flip(v.w)}),
        Slip("kernel-flipped-in-backward", "dx is made with flipped filters", {"dx": lambda v: _backward_with(v.changed(
            {"w_back": lambda u: _flip(u.w)}))[0]}),
        Slip("kernel-flipped-in-backward", "dw is flipped", {"dw": lambda v: _flip(v.back[1])}),
        Slip("bias-forgotten", "the bias is not added", {"b_seen": lambda v: 0 * v.b}),
        Slip("windows-overwrite", "dx: a window overwrites what the windows before it gave, where they overlap",
             {"dx": _filters_assigned}),
        Slip("padding-forgotten", "the output is that of an image without padding", {"pad_seen": lambda v: 0}),
        Slip("padding-value", "the border is repeated outwards, not filled with zeros",
             {"x_seen": _edge, "pad_seen": lambda v: 0}),
        Slip("stride-forgotten", "the output is that of stride 1", {"stride_seen": lambda v: 1}),
        Slip("stride-forgotten", "the output has the right size, but the windows are 1 apart, not one stride",
             {"out": lambda v: conv_forward(v.x, v.w, v.b, 1, v.pad)[0][
                 :, :, : v.book_forward["out"].shape[2], : v.book_forward["out"].shape[3]]}),
        Slip("padding-on-one-side", "the padding is all on one side, left and top",
             {"x_seen": lambda v: np.pad(v.x, ((0, 0), (0, 0), (2 * v.pad, 0), (2 * v.pad, 0))),
             "pad_seen": lambda v: 0}),
        Slip("filter-transposed", "rows and columns of the filter are exchanged",
             {"w_seen": lambda v: v.w.swapaxes(2, 3), "w_back": lambda v: v.w.swapaxes(2, 3)}),
        Slip("mean-instead-of-sum", "db is averaged over the positions, not summed",
             {"db": lambda v: v.dout.sum(axis=0).mean(axis=(1, 2))}),
        Slip("mean-instead-of-sum", "db is averaged over the examples, not summed",
             {"db": lambda v: v.dout.mean(axis=0).sum(axis=(1, 2))}),
        Slip("mean-instead-of-sum", "db is averaged over examples and positions, not summed",
             {"db": lambda v: v.dout.mean(axis=(0, 2, 3))}),
        Slip("batch-not-summed", "db is not summed over the examples", {"db": lambda v: v.dout.sum(axis=(2, 3))}),
        Slip("first-example-only", "db is that of one example only: the sum over the batch is forgotten",
             {"db": lambda v: v.dout[0].sum(axis=(1, 2))}),
        Slip("positions-not-summed", "db is not summed over the positions", {"db": lambda v: v.dout.sum(axis=0)}),
        Slip("first-example-only", "dw is that of one example only", {"dw": lambda v: conv_backward(
            v.dout[-1:], conv_forward(v.x[-1:], v.w, v.b, v.stride, v.pad)[1])[1]}),
        Slip("last-window-only", "dw is that of the last window only: the windows are not added",
             {"dw": lambda v: np.einsum(
            "nk,ncuv->kcuv", v.dout[:, :, -1, -1], _last_window(v))}),
        Slip("input-not-padded-in-backward", "dw is made of the input without its padding",
             {"dw": lambda v: _shifted_dw(v)}),
        Slip("padding-not-removed", "dx still has the padding around it", {"dx": lambda v: conv_backward(
            v.dout, conv_forward(_padded(v), v.w, v.b, v.stride)[1])[0]}),
        Slip("channels-averaged", "the channels are averaged, not added",
             {"out": lambda v: (v.book_forward["out"] - v.b[:, None, None]) / v.x.shape[1] + v.b[:, None, None]}),
        Slip("ceil-instead-of-floor", "the output size is rounded up where it does not divide",
             {"out": lambda v: _rounded_up(v)}),
    ),
    words=("convolution", "conv2d", "conv_layer"),
)  # fmt: skip


def _padded(v: Values) -> np.ndarray:
    return np.pad(v.x, ((0, 0), (0, 0), (v.pad, v.pad), (v.pad, v.pad)))


def _last_window(v: Values) -> np.ndarray:
    padded = _padded(v)
    i, j = ((size - 1) * v.stride for size in v.dout.shape[2:])
    return padded[:, :, i : i + v.w.shape[2], j : j + v.w.shape[3]]


def _shifted_dw(v: Values) -> np.ndarray:
    padded = np.pad(v.x, ((0, 0), (0, 0), (0, 2 * v.pad), (0, 2 * v.pad)))
    return conv_backward(v.dout, conv_forward(padded, v.w, v.b, v.stride)[1])[1]


def _rounded_up(v: Values) -> np.ndarray:
    """As if zeros stood after the last row and column, so that a last window fits."""
    more = [-(size + 2 * v.pad - v.w.shape[2]) % v.stride for size in v.x.shape[2:]]
    padded = np.pad(v.x, ((0, 0), (0, 0), (v.pad, v.pad + more[0]), (v.pad, v.pad + more[1])))
    return conv_forward(padded, v.w, v.b, v.stride)[0]


_POOL = (X, Argument("F", ("size", "pool_size", "pool", "kernel", "kernel_size", "k", "window"), 2, array=False),
         Argument("stride", ("s",), 2, array=False))  # fmt: skip
_POOL_PACK = {"pool_param": {"pool_height": "F", "pool_width": "F", "stride": "stride", "size": "F"}}


def _pool_cases(rng: np.random.Generator, *, ties: bool = False) -> list[Case]:
    def case(name: str, shape: tuple[int, int, int, int], F: int, s: int, x: np.ndarray | None = None) -> Case:
        x = distinct(rng, *shape) if x is None else x
        return Case(name, {"x": x, "F": F, "stride": s}, () if (F, s) == (2, 2) else ("F", "stride"))

    cases = [
        case("plain", (2, 3, 4, 4), 2, 2), case("one image", (1, 1, 4, 6), 2, 2),
        case("overlapping windows", (2, 2, 5, 5), 3, 2),
        case("sizes that do not divide", (1, 2, 5, 5), 2, 2), case("stride 1", (2, 1, 4, 4), 2, 1),
        case("one window", (3, 2, 2, 2), 2, 2), case("windows of one pixel", (1, 2, 3, 3), 1, 1),
        case("stride above the window", (1, 2, 7, 7), 2, 3), case("not square", (2, 2, 4, 8), 2, 2),
        case("all negative", (2, 2, 4, 4), 2, 2, -np.abs(distinct(rng, 2, 2, 4, 4)) - 1),
        case("windows of 3", (2, 2, 6, 6), 3, 3),
    ]  # fmt: skip
    if ties:
        cases.append(
            case("ties", (1, 1, 4, 4), 2, 2, np.array([[[[1.0, 1, 2, 0], [1, 1, 2, 0], [0, 3, 5, 5], [3, 0, 0, 5]]]]))
        )
    return cases


def _windows(v: Values, take: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    N, C, Ho, Wo = v.book_forward["out"].shape
    out = np.zeros((N, C, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            out[:, :, i, j] = take(v.x[:, :, i * v.stride : i * v.stride + v.F, j * v.stride : j * v.stride + v.F])
    return out


def _spread(v: Values, share: Callable[[np.ndarray, np.ndarray], np.ndarray], *, overwrite: bool = False) -> np.ndarray:
    """dx where each window gets a share of its gradient: `share(window, largest)`."""
    dx = np.zeros(v.x.shape)
    for i in range(v.dout.shape[2]):
        for j in range(v.dout.shape[3]):
            at = np.s_[:, :, i * v.stride : i * v.stride + v.F, j * v.stride : j * v.stride + v.F]
            part = share(v.x[at], v.x[at].max(axis=(2, 3), keepdims=True)) * v.dout[:, :, i, j][..., None, None]
            dx[at] = part if overwrite else dx[at] + part
    return dx


def _first(window: np.ndarray, largest: np.ndarray) -> np.ndarray:
    flat = window.reshape(*window.shape[:2], -1)
    return np.eye(flat.shape[-1])[flat.argmax(axis=-1)].reshape(window.shape)


def _winners(window: np.ndarray, largest: np.ndarray) -> np.ndarray:
    return (window == largest).astype(float)


def _even(window: np.ndarray, largest: np.ndarray) -> np.ndarray:
    return np.full(window.shape, 1 / window[0, 0].size)


MAX_POOL = Formula(
    "max_pool", "max pooling", "D2", _POOL, ("out",), ("dx",),
    forward_of(max_pool_forward, "x F stride"), backward_of(max_pool_forward, max_pool_backward, "x F stride", "dx"),
    lambda rng: _pool_cases(rng, ties=True), packs=_POOL_PACK,
    slips=(
        Slip("ties-to-all", "your code gives the gradient of a tie to all of the largest, as `maximum` does",
             {"dx": lambda v: _spread(v, _winners)}, convention="C2"),
        Slip("ties-shared", "your code shares the gradient of a tie evenly, as `amax` does",
             {"dx": lambda v: _spread(v, lambda w, m: _winners(w, m) / _winners(w, m).sum(axis=(2, 3), keepdims=True))},
             convention="C2"),
        Slip("ties-to-last", "your code gives the gradient of a tie to the last of the largest",
             {"dx": lambda v: _spread(v, lambda w, m: _first(w[:, :, ::-1, ::-1], m)[:, :, ::-1, ::-1])},
             convention="C2"),
        Slip("spread-evenly", "the gradient is spread over the window evenly, as average pooling does",
             {"dx": lambda v: _spread(v, _even)}),
        Slip("to-all-of-the-window", "all of the window gets the gradient, not only the largest",
             {"dx": lambda v: _spread(v, lambda w, m: np.ones(w.shape))}),
        Slip("windows-overwrite", "a window overwrites what the windows before it gave, where they overlap",
             {"dx": lambda v: _spread(v, _first, overwrite=True)}),
        Slip("windows-overwrite", "a window overwrites what the windows before it gave, where they overlap",
             {"dx": lambda v: _spread(v, _winners, overwrite=True)}),
        Slip("value-instead-of-mask", "the gradient is multiplied by the largest value itself",
             {"dx": lambda v: _spread(v, lambda w, m: _first(w, m) * m)}),
        Slip("upstream-ignored", "the mask alone is returned: the upstream gradient is missing",
             {"dx": lambda v: _spread(v.changed({}, dout=np.ones(v.dout.shape)), _first)}),
        Slip("mean-instead-of-max", "the mean of the window is taken",
             {"out": lambda v: _windows(v, lambda w: w.mean((2, 3)))}),
        Slip("minimum", "the smallest of the window is taken", {"out": lambda v: _windows(v, lambda w: w.min((2, 3)))}),
        Slip("padding-value", "0 takes part in the maximum: negative windows give 0",
             {"out": lambda v: _windows(v, lambda w: np.maximum(w.max((2, 3)), 0))}),
        Slip("stride-forgotten", "the windows are 1 apart, not one stride",
             {"out": lambda v: max_pool_forward(v.x, v.F, 1)[0][
                 :, :, : v.book_forward["out"].shape[2], : v.book_forward["out"].shape[3]]}),
        Slip("ceil-instead-of-floor", "the output size is rounded up where it does not divide",
             {"out": lambda v: _pool_rounded_up(v, -np.inf)}),
        Slip("ceil-instead-of-floor", "the output size is rounded up, with zeros after the image",
             {"out": lambda v: _pool_rounded_up(v, 0.0)}),
        Slip("maximum-over-channels", "the maximum is taken over the channels too",
             {"out": lambda v: _windows(v, lambda w: np.broadcast_to(w.max((1, 2, 3))[:, None], w.shape[:2]))}),
        Slip("stride-is-the-window", "the stride is that of the window, whatever it should be",
             {"out": lambda v: max_pool_forward(v.x, v.F, v.F)[0]}),
    ),
    words=("maxpool", "max_pooling", "maxpool2d"),
)  # fmt: skip


def _pool_rounded_up(v: Values, value: float) -> np.ndarray:
    more = [-(size - v.F) % v.stride for size in v.x.shape[2:]]
    return max_pool_forward(
        np.pad(v.x, ((0, 0), (0, 0), (0, more[0]), (0, more[1])), constant_values=value), v.F, v.stride
    )[0]


AVERAGE_POOL = Formula(
    "average_pool", "average pooling", "D2", _POOL, ("out",), ("dx",),
    forward_of(average_pool_forward, "x F stride"),
    backward_of(average_pool_forward, average_pool_backward, "x F stride", "dx"), _pool_cases, packs=_POOL_PACK,
    slips=(
        Slip("sum-instead-of-mean", "the window is summed, not averaged",
             {"out": lambda v: _windows(v, lambda w: w.sum((2, 3)))}),
        Slip("divided-by-one-side", "the sum is divided by the side of the window, not by its area",
             {"out": lambda v: _windows(v, lambda w: w.sum((2, 3)) / v.F)}),
        Slip("area-forgotten", "the gradient is not divided by the area of the window",
             {"dx": lambda v: _spread(v, lambda w, m: np.ones(w.shape))}),
        Slip("divided-by-one-side", "the gradient is divided by the side of the window, not by its area",
             {"dx": lambda v: _spread(v, lambda w, m: np.full(w.shape, 1 / v.F))}),
        Slip("windows-overwrite", "a window overwrites what the windows before it gave, where they overlap",
             {"dx": lambda v: _spread(v, _even, overwrite=True)}),
        Slip("gradient-of-max", "the gradient goes to the largest of the window, as in max pooling",
             {"dx": lambda v: _spread(v, _first)}),
        Slip("max-instead-of-mean", "the largest of the window is taken",
             {"out": lambda v: _windows(v, lambda w: w.max((2, 3)))}),
        Slip("stride-is-the-window", "the stride is that of the window, whatever it should be",
             {"out": lambda v: average_pool_forward(v.x, v.F, v.F)[0]}),
    ),
    words=("avgpool", "avg_pool", "average_pooling", "mean_pool"),
)  # fmt: skip

FORMULAS = (CONV, MAX_POOL, AVERAGE_POOL)
