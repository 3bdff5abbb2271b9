"""What shape a kernel gives, for the kernels that most networks are made of.

torch knows the shapes itself, but its rules for tensors without data are written in Python and bring its whole compiler
along when the first of them is asked: a second before anything is seen. So the common ones stand here; whatever is
unusual (mixed types, a wrong shape, another kernel) is left to torch, which then also finds the words for an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

Rule = Callable[..., Any]


def quick(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the kernel gives, as tensors without data; None where torch has to be asked.

    Args:
        name: Of the kernel, such as `convolution`.
        args: Its arguments; tensors are without data.
        kwargs: The others.

    Example:
        >>> x = torch.empty(1, 3, 8, 8, device="meta")
        >>> quick("relu", (x,), {}).shape
        torch.Size([1, 3, 8, 8])
    """
    rule = RULES.get(name)
    if rule is None or kwargs:
        return None
    try:
        return rule(*args)
    except (TypeError, ValueError, IndexError):
        return None  # not the usual way to call it


def _new(like: Tensor, shape: Sequence[int]) -> Tensor:
    last = like.dim() == 4 and len(shape) == 4 and not like.is_contiguous()
    last = last and like.is_contiguous(memory_format=torch.channels_last)
    form = torch.channels_last if last else torch.contiguous_format
    return torch.empty(tuple(shape), dtype=like.dtype, device="meta", memory_format=form)


def _plain(*tensors: Any) -> bool:
    """All tensors are of one type of floating numbers and without data."""
    first = tensors[0]
    return bool(first.is_floating_point()) and all(t.is_meta and t.dtype == first.dtype for t in tensors)


def _same(x: Tensor, *rest: Any) -> Any:
    return _new(x, x.shape) if _plain(x) else None


def _broadcast(a: Any, b: Any, *rest: Any) -> Any:
    if not isinstance(a, Tensor):
        return None
    if not isinstance(b, Tensor):
        return _new(a, a.shape) if _plain(a) and isinstance(b, (int, float)) else None
    if not _plain(a, b):
        return None
    shape = _joint(a.shape, b.shape)
    return None if shape is None else _new(a if a.dim() >= b.dim() else b, shape)


def _joint(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...] | None:
    """The shape that both broadcast to (torch's own function brings sympy along)."""
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    pairs = list(zip(longer, [1] * (len(longer) - len(shorter)) + list(shorter)))
    return (
        tuple(max(s, t) if min(s, t) else 0 for s, t in pairs) if all(s == t or 1 in (s, t) for s, t in pairs) else None
    )


def _mm(a: Tensor, b: Tensor) -> Any:
    fits = a.dim() == b.dim() and a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2]
    return _new(a, (*a.shape[:-1], b.shape[-1])) if fits and _plain(a, b) else None


def _addmm(bias: Tensor, a: Tensor, b: Tensor) -> Any:
    out = _mm(a, b)
    if out is None or not _plain(a, bias) or _joint(bias.shape, out.shape) != tuple(out.shape):
        return None
    return out


def _convolution(
    x: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, more: Any,
    groups: int,
) -> Any:  # fmt: skip
    n = x.dim() - 2
    if n < 1 or weight.dim() != n + 2 or not _plain(x, weight, *([] if bias is None else [bias])):
        return None
    stride, padding, dilation, more = (
        list(v) * n if len(v) == 1 else list(v) for v in (stride, padding, dilation, more)
    )
    filters = weight.shape[2:]
    if transposed:
        sizes = [
            (x.shape[2 + i] - 1) * stride[i] - 2 * padding[i] + dilation[i] * (filters[i] - 1) + more[i] + 1
            for i in range(n)
        ]
        inputs, outputs = weight.shape[0], weight.shape[1] * groups
    else:
        sizes = [
            (x.shape[2 + i] + 2 * padding[i] - dilation[i] * (filters[i] - 1) - 1) // stride[i] + 1 for i in range(n)
        ]
        inputs, outputs = weight.shape[1] * groups, weight.shape[0]
    if x.shape[1] != inputs or outputs % groups or min((*sizes, *x.shape)) < 1 or min(stride) < 1:
        return None
    if not transposed and any(x.shape[2 + i] + 2 * padding[i] < dilation[i] * (filters[i] - 1) + 1 for i in range(n)):
        return None
    return _new(x, (x.shape[0], outputs, *sizes))


def _batch_norm(x: Tensor, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, *rest: Any) -> Any:
    channels = x.shape[1]
    given = [t for t in (weight, bias, mean, variance) if t is not None]
    if not _plain(x, *given) or any(t.shape != (channels,) for t in given):
        return None
    kept = channels if training else 0
    return _new(x, x.shape), *(torch.empty(kept, dtype=x.dtype, device="meta") for _ in range(2))


def _layer_norm(x: Tensor, shape: Sequence[int], weight: Any, bias: Any, *rest: Any) -> Any:
    n = len(shape)
    given = [t for t in (weight, bias) if t is not None]
    if (
        not _plain(x, *given)
        or tuple(x.shape[-n:]) != tuple(shape)
        or any(tuple(t.shape) != tuple(shape) for t in given)
    ):
        return None
    kept = (*x.shape[:-n], *[1] * n)
    return _new(x, x.shape), *(torch.empty(kept, dtype=x.dtype, device="meta") for _ in range(2))


def _pool(x: Tensor, size: Any, stride: Any = (), padding: Any = (0,), dilation: Any = (1,), ceil: Any = False) -> Any:
    n = 2
    size, stride, padding, dilation = (
        list(v) * n if len(v) == 1 else list(v) for v in (size, stride or size, padding, dilation)
    )
    if x.dim() != 4 or not _plain(x) or any(2 * p > k for p, k in zip(padding, size)) or min(x.shape) < 1:
        return None
    sizes = []
    for i in range(n):
        rest = x.shape[2 + i] + 2 * padding[i] - dilation[i] * (size[i] - 1) - 1
        count = (-(-rest // stride[i]) if ceil else rest // stride[i]) + 1
        if ceil and (count - 1) * stride[i] >= x.shape[2 + i] + padding[i]:
            count -= 1  # a window may not start behind the input
        sizes.append(count)
    return _new(x, (*x.shape[:2], *sizes)) if min(sizes) > 0 else None


def _max_pool(x: Tensor, *rest: Any) -> Any:
    out = _pool(x, *rest)
    return None if out is None else (out, torch.empty(out.shape, dtype=torch.int64, device="meta"))


def _mean_pool(x: Tensor, size: Any, stride: Any = (), padding: Any = (0,), ceil: Any = False, *rest: Any) -> Any:
    return _pool(x, size, stride, padding, (1,), ceil)


def _reduced(x: Tensor, dims: Any = None, keep: bool = False, *rest: Any) -> Any:
    if not _plain(x) or not x.numel():
        return None
    axes = {d % x.dim() for d in (range(x.dim()) if dims is None or not len(dims) else dims)}
    return _new(x, [1 if i in axes else s for i, s in enumerate(x.shape) if keep or i not in axes])


def _cat(tensors: Sequence[Tensor], axis: int = 0) -> Any:
    first, axis = tensors[0], axis % tensors[0].dim()
    rest = [[s for i, s in enumerate(t.shape) if i != axis] for t in tensors]
    if not _plain(*tensors) or any(r != rest[0] for r in rest):
        return None
    return _new(first, [sum(t.shape[axis] for t in tensors) if i == axis else s for i, s in enumerate(first.shape)])


def _embedding(weight: Tensor, index: Tensor, *rest: Any) -> Any:
    fits = weight.is_meta and weight.dim() == 2 and index.dtype in (torch.int64, torch.int32)
    return _new(weight, (*index.shape, *weight.shape[1:])) if fits else None


def _to_size(x: Tensor, size: Any, *rest: Any) -> Any:
    fits = size is not None and x.dim() == len(size) + 2 and x.numel() and prod(size) > 0
    return _new(x, (*x.shape[:2], *size)) if fits and _plain(x) else None


def _dropout(x: Tensor, p: float, train: Any) -> Any:
    return (_new(x, x.shape), torch.empty(x.shape, dtype=torch.bool, device="meta")) if _plain(x) and train else None


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ["relu", "gelu", "silu", "sigmoid", "tanh", "exp", "hardswish", "hardtanh", "leaky_relu", "elu", "hardsigmoid",
         "softplus", "mish", "sqrt", "rsqrt", "log", "neg", "abs", "clone", "_softmax", "_log_softmax", "_safe_softmax",
         "erf", "sin", "cos", "square", "reciprocal"],
        _same,
    ),
    **dict.fromkeys(["add", "sub", "mul", "div", "maximum", "minimum", "pow"], _broadcast),
    "mm": _mm,
    "bmm": _mm,
    "addmm": _addmm,
    "baddbmm": _addmm,
    "convolution": _convolution,
    "native_batch_norm": _batch_norm,
    "native_layer_norm": _layer_norm,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _mean_pool,
    "mean": _reduced,
    "sum": _reduced,
    "amax": _reduced,
    "cat": _cat,
    "embedding": _embedding,
    "_adaptive_avg_pool2d": _to_size,
    "upsample_nearest2d": _to_size,
    "upsample_bilinear2d": _to_size,
    "native_dropout": _dropout,
}  # fmt: skip
"""Kernel -> its shapes."""
