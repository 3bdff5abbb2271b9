"""The functions of tensors that mix positions: windows, norms, sums, products of matrices, recurrences, attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from chainrule.analysis.design.sight import Sight, by_pattern, compact, moved, reduced, spread, windowed
from chainrule.notation.field import Field, Spread, Window

if TYPE_CHECKING:
    from chainrule.analysis.design.sight_rules import Setting

Rule = Callable[["Setting"], "list[Sight] | None"]


def _each(value: Any, count: int) -> list[int]:
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    return [int(v) for v in (values * count if len(values) == 1 else values)]


def _channels(sight: Sight, axis: int, groups: int, outputs: int) -> Sight:
    """After all channels of each group were added up: they are the dimension `axis`, counted from the end."""
    size = sight.low.shape[axis]
    if size == 1:
        return sight
    if groups == 1:
        return reduced(sight, [axis], keep=True)

    def change(places: Tensor) -> Tensor:
        parts = places.unflatten(axis, (groups, size // groups)).amin(axis)
        return parts.repeat_interleave(outputs // groups, axis)

    low, high = compact(change(sight.low)), compact(-change(-sight.high))
    return Sight(low, high, sight.axis, sight.field, sight.whole)


def _convolution(n: int) -> Rule:
    def rule(setting: Setting) -> list[Sight] | None:
        image = setting.sight(0, "input")
        if image is None:
            return None
        weight = setting.shape(1, "weight")
        strides, dilations = _each(setting.get(3, "stride", 1), n), _each(setting.get(5, "dilation", 1), n)
        padding = setting.get(4, "padding", 0)
        if padding == "same":
            paddings = [d * (f - 1) // 2 for d, f in zip(dilations, weight[2:])]
        else:
            paddings = [0] * n if padding == "valid" else _each(padding, n)
        found = _channels(image, -n - 1, int(setting.get(6, "groups", 1)), weight[0])
        for i in range(n):
            window = Window(weight[2 + i], strides[i], paddings[i], dilations[i])
            found = windowed(found, i - n, window, setting.shape(0, "input")[i - n], setting.result[i - n])
        return [found]

    return rule


def _transposed(n: int) -> Rule:
    def rule(setting: Setting) -> list[Sight] | None:
        image = setting.sight(0, "input")
        if image is None:
            return None
        weight, groups = setting.shape(1, "weight"), int(setting.get(6, "groups", 1))
        strides, paddings = _each(setting.get(3, "stride", 1), n), _each(setting.get(4, "padding", 0), n)
        dilations = _each(setting.get(7, "dilation", 1), n)
        found = _channels(image, -n - 1, groups, weight[1] * groups)
        for i in range(n):
            size, stride, padding, dilation = weight[2 + i], strides[i], paddings[i], dilations[i]
            # With stride 1 it is a convolution; with both, the lectures' recursion has no form for it.
            field: Field | None = None
            if dilation == 1:
                field = moved(found, i - n, Spread(size, stride, padding))
            elif found.axis != i - n:
                field = found.field
            taps = (size, stride, padding, dilation)
            found = spread(found, i - n, taps, setting.shape(0, "input")[i - n], setting.result[i - n], field)
        return [found]

    return rule


def _pooling(n: int, dilation_at: int | None, *, first: int = 1) -> Rule:
    def rule(setting: Setting) -> list[Sight] | None:
        image = setting.sight(0, "input")
        if image is None:
            return None
        sizes = _each(setting.get(first, "kernel_size"), n)
        stride = setting.get(first + 1, "stride")
        strides = _each(stride, n) if stride not in (None, [], ()) else sizes
        has_padding = first == 1
        paddings = _each(setting.get(3, "padding", 0), n) if has_padding else [0] * n
        dilations = _each(setting.get(dilation_at, "dilation", 1), n) if dilation_at else [1] * n
        found = image
        for i in range(n):
            window = Window(sizes[i], strides[i], paddings[i], dilations[i])
            found = windowed(found, i - n, window, setting.shape(0, "input")[i - n], setting.result[i - n])
        return [found] * 2

    return rule


def _adaptive(n: int) -> Rule:
    def rule(setting: Setting) -> list[Sight] | None:
        found = setting.sights[0]
        shape = setting.shape(0, "input")
        for i in range(n):
            size, count = shape[i - n], setting.result[i - n]
            outputs, places = torch.arange(count)[:, None], torch.arange(size)[None]
            reads = (places >= outputs * size // count) & (places < -(-(outputs + 1) * size // count))
            if count == 1:
                found = reduced(found, [i - n], keep=True)
                continue
            field = found.field if found.axis != i - n else None
            if found.axis == i - n and size % count == 0:
                field = moved(found, i - n, Window(size // count, size // count, 0))
            found = by_pattern(found, i - n, reads, field)
        return [found] * 2

    return rule


def _interpolated(setting: Setting) -> list[Sight] | None:
    found, shape = setting.sight(0, "input"), setting.shape(0, "input")
    if found is None:
        return None
    n, mode = len(shape) - 2, setting.get(3, "mode", "nearest")
    scale, corners = setting.get(2, "scale_factor"), setting.get(4, "align_corners")
    scales = [None] * n if scale is None else list(scale) if isinstance(scale, (tuple, list)) else [scale] * n
    recompute = setting.get(5, "recompute_scale_factor")
    for i in range(n):
        size, count = shape[i - n], setting.result[i - n]
        reads = _reads(size, count, mode, corners, None if recompute else scales[i])
        field = found.field if found.axis != i - n else None
        if found.axis == i - n and count % size == 0 and not corners:
            field = _enlarged(found, i - n, mode, count // size)
        found = by_pattern(found, i - n, reads, field)
    return [found]


def _reads(size: int, count: int, mode: str, corners: Any, scale: float | None) -> Tensor:
    """Which inputs each output reads along one axis, seen by enlarging one pixel at a time."""
    lines = torch.eye(size, dtype=torch.float64)[:, None]  # (n, 1, n)
    options: dict[str, Any] = {"size": count} if scale is None else {"scale_factor": scale}
    if mode in ("bilinear", "trilinear", "linear"):
        out = torch.nn.functional.interpolate(lines, mode="linear", align_corners=corners, **options)
    elif mode == "bicubic":
        square = lines[..., None].expand(-1, -1, -1, size)
        if scale is None:
            options = {"size": (count, count)}
        out = torch.nn.functional.interpolate(square, mode="bicubic", align_corners=corners, **options)[..., 0]
    else:
        out = torch.nn.functional.interpolate(lines, mode=mode, **options)
    return out[:, 0].T[:count] != 0  # (m, n)


def _enlarged(sight: Sight, axis: int, mode: str, factor: int) -> Field | None:
    """Enlarging by a whole factor is a transposed convolution with a box or a triangle."""
    if mode in ("nearest", "nearest-exact", "area"):
        return moved(sight, axis, Spread(factor, factor, 0))
    if mode in ("linear", "bilinear", "trilinear"):
        size = 2 * factor - factor % 2
        return moved(sight, axis, Spread(size, factor, (size - factor) // 2))
    return None


def _over(setting: Setting, position: int, name: str = "dim") -> list[int]:
    """The dimensions that an argument names, counted from the end; all if it names none."""
    dims = setting.sights[0].low.dim()
    named = setting.get(position, name)
    if named is None:
        return list(range(-dims, 0))
    values = list(named) if isinstance(named, (tuple, list)) else [named]
    return [v if v < 0 else v - dims for v in values]


def _sum(setting: Setting) -> list[Sight] | None:
    if len(setting.sights) > 1:  # `max(a, b)`
        return [setting.join(setting.sights)]
    keep = bool(setting.get(2, "keepdim", False))
    return [reduced(setting.sights[0], _over(setting, 1), keep=keep)] * 2


def _norm_of(setting: Setting) -> list[Sight] | None:
    return [reduced(setting.sights[0], _over(setting, 2), keep=bool(setting.get(3, "keepdim", False)))]


def _along(position: int) -> Rule:
    """Softmax and the like: every position along a dimension reads all of them."""
    return lambda setting: [reduced(setting.sights[0], _over(setting, position), keep=True, stays=True)] * 2


def _normalized(first: int | None) -> Rule:
    """A norm over the dimensions from `first` on; over those of its weight without it."""

    def rule(setting: Setting) -> list[Sight] | None:
        sight, dims = setting.sights[0], setting.sights[0].low.dim()
        count = len(setting.get(1, "normalized_shape")) if first is None else dims - first
        return [reduced(sight, range(-count, 0), keep=True, stays=True)]

    return rule


def _linear(setting: Setting) -> list[Sight] | None:
    sight = setting.sight(0, "input")
    return None if sight is None else [reduced(sight, [-1], keep=True)]


def _matmul(first: int = 0) -> Rule:
    """(..., n, k) times (..., k, m); with a bias before them, `first` is 1."""

    def rule(setting: Setting) -> list[Sight] | None:
        names = ("input", "other") if first == 0 else ("batch1", "batch2")
        left, right = setting.sight(first, names[0]), setting.sight(first + 1, names[1])
        if min(len(setting.shape(first, names[0])), len(setting.shape(first + 1, names[1]))) < 2:
            return None
        parts = [reduced(left, [-1], keep=True)] if left else []
        parts += [reduced(right, [-2], keep=True)] if right else []
        bias = setting.sight(0, "input") if first else None
        return [setting.join([*parts, *([bias] if bias else [])])]

    return rule


def _einsum(setting: Setting) -> list[Sight] | None:
    equation, *operands = setting.operation.arguments
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = list(operands[0])
    equation = equation.replace(" ", "")
    if "." in equation:
        return None
    given, arrow, out = equation.partition("->")
    terms = given.split(",")
    if not arrow:
        out = "".join(sorted(c for c in set(given) - {","} if given.count(c) == 1))
    parts = []
    for term, operand in zip(terms, operands):
        sight = setting.known.get(operand.value)
        if sight is None:
            continue
        if len(set(term)) != len(term):
            return None
        gone = [i - len(term) for i, c in enumerate(term) if c not in out]
        kept = [c for c in term if c in out]
        sight = reduced(sight, gone, keep=False)
        order = [kept.index(c) for c in out if c in kept]
        place = {c: i - len(out) for i, c in enumerate(out)}
        axis = place[kept[sight.axis]] if sight.axis is not None and kept else None
        low, high = (
            t.permute(order).reshape([t.shape[kept.index(c)] if c in kept else 1 for c in out])
            for t in (sight.low, sight.high)
        )
        parts.append(Sight(low, high, axis, sight.field, sight.whole))
    return [setting.join(parts)]


def _until_now(sight: Sight, axis: int) -> Sight:
    """Each position reads itself and all before it."""
    low = sight.low.cummin(axis).values if sight.low.shape[axis] > 1 else sight.low
    high = sight.high.cummax(axis).values if sight.high.shape[axis] > 1 else sight.high
    return Sight(low, high, sight.axis, sight.field if sight.axis != axis else None, sight.whole)


def _recurrent(setting: Setting) -> list[Sight] | None:
    sight = setting.sight(0, "input")
    if sight is None or sight.low.dim() != 3 or not isinstance(setting.get(3, "has_biases"), bool):
        return None  # packed sequences
    bidirectional, batch_first = bool(setting.get(7, "bidirectional")), bool(setting.get(8, "batch_first"))
    axis = -2 if batch_first else -3
    mixed = reduced(sight, [-1], keep=True)
    everywhere = reduced(mixed, [axis], keep=True, stays=True)
    last = reduced(mixed, [axis], keep=True)
    return [everywhere if bidirectional else _until_now(mixed, axis), last, last]


def _attention(setting: Setting) -> list[Sight] | None:
    """Each query reads itself and all keys and values; those up to its own position if it is causal."""
    causal = bool(setting.get(5, "is_causal", False))
    parts = []
    if (query := setting.sight(0, "query")) is not None:
        parts.append(reduced(query, [-1], keep=True))
    for i, name in ((1, "key"), (2, "value")):
        if (sight := setting.sight(i, name)) is None:
            continue
        mixed = reduced(sight, [-1], keep=True)
        parts.append(_until_now(mixed, -2) if causal else reduced(mixed, [-2], keep=True))
    return [setting.join(parts)]


def _heads(setting: Setting) -> list[Sight] | None:
    """`multi_head_attention_forward`: query, key and value are (L, N, E)."""
    mixed = [reduced(s, [-1], keep=True) for s in setting.sights if s.low.dim() == 3]
    if len(mixed) != len(setting.sights):
        return None
    parts = [reduced(s, [-3], keep=True, stays=True) for s in mixed]
    return [setting.join(parts)]


def _embedding(setting: Setting) -> list[Sight] | None:
    sight = setting.sight(0, "input")
    if sight is None:
        return None
    axis = None if sight.axis is None else sight.axis - 1
    return [Sight(sight.low.unsqueeze(-1), sight.high.unsqueeze(-1), axis, sight.field, sight.whole)]


LAYERS: dict[str, Rule] = {
    **{f"conv{n}d": _convolution(n) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _transposed(n) for n in (1, 2, 3)},
    **{f"max_pool{n}d{tail}": _pooling(n, 4) for n in (1, 2, 3) for tail in ("", "_with_indices")},
    **{f"avg_pool{n}d": _pooling(n, None) for n in (1, 2, 3)},
    **{f"lp_pool{n}d": _pooling(n, None, first=2) for n in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{n}d": _adaptive(n) for kind in ("avg", "max") for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d_with_indices": _adaptive(n) for n in (1, 2, 3)},
    **dict.fromkeys(["interpolate", "upsample", "upsample_nearest", "upsample_bilinear"], _interpolated),
    **dict.fromkeys(["sum", "mean", "amax", "amin", "max", "min", "prod", "std", "var", "logsumexp", "median",
                     "argmax", "argmin", "any", "all", "nansum", "nanmean"], _sum),
    "norm": _norm_of,
    **dict.fromkeys(["softmax", "log_softmax", "softmin", "cumsum", "cumprod", "sort", "gumbel_softmax"], _along(1)),
    "normalize": _along(2),
    "instance_norm": _normalized(2),
    "group_norm": _normalized(1),
    "local_response_norm": lambda setting: [reduced(setting.sights[0], [1 - len(setting.result)], keep=True)],
    "layer_norm": _normalized(None),
    "rms_norm": _normalized(None),
    "linear": _linear,
    **dict.fromkeys(["@", "matmul", "bmm", "mm"], _matmul()),
    **dict.fromkeys(["baddbmm", "addmm"], _matmul(1)),
    "einsum": _einsum,
    **dict.fromkeys(["lstm", "gru", "rnn_tanh", "rnn_relu"], _recurrent),
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _heads,
    "embedding": _embedding,
}  # fmt: skip
"""What a function is called -> the sights of its results; None where a rule does not know."""
