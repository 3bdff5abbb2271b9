"""Networks without data: shapes and types alone, on torch's meta device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Made = TypeVar("Made")

_DRAWS = frozenset(
    {"normal_", "uniform_", "fill_", "zero_", "copy_", "random_", "bernoulli_", "log_normal_", "cauchy_",
     "exponential_", "geometric_", "clamp_", "erfinv_", "mul_", "add_"}
)  # fmt: skip
"""What fills a tensor in place, and has nothing to fill where there are no data."""


class _Unfilled(TorchFunctionMode):
    """Initializers do nothing to tensors without data: for a deep network they are most of the time of building it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        first = args[0] if args else kwargs.get("tensor")
        if isinstance(first, Tensor) and first.is_meta:
            name = getattr(func, "__name__", "")
            if name in _DRAWS or (name.endswith("_") and getattr(func, "__module__", "") == "torch.nn.init"):
                return first
        return func(*args, **kwargs)


@contextmanager
def without_data() -> Iterator[None]:
    """Tensors and modules made in the block have shapes and no data, and cost no time.

    Example:
        >>> with without_data():
        ...     huge = nn.Linear(100_000, 100_000)
        >>> huge.weight.shape, huge.weight.device.type
        (torch.Size([100000, 100000]), 'meta')
    """
    with torch.device("meta"), _Unfilled():
        yield


def blank(tensor: Tensor) -> Tensor:
    """A tensor of the same shape and type without data.

    Example:
        >>> blank(torch.ones(2, 3)).shape
        torch.Size([2, 3])
    """
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")


def bare(module: nn.Module) -> nn.Module:
    """Return a copy of a module whose parameters and buffers have shapes and no data; the module is not touched.

    Raises:
        Exception: Whatever copying the module raises; some modules cannot be copied.

    Example:
        >>> bare(nn.Linear(3, 2)).weight.is_meta
        True
    """
    known: dict[int, Any] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        empty = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device="meta")
        if isinstance(tensor, nn.Parameter):
            known[id(tensor)] = nn.Parameter(empty.detach(), requires_grad=tensor.requires_grad)
        else:
            known[id(tensor)] = empty.detach().requires_grad_(tensor.requires_grad)
    return copy.deepcopy(module, known)
