"""What each operation of a call costs: multiply-adds, bytes moved, memory beside its results.

An operation as it is written, such as `multi_head_attention_forward` or an `einsum`, may be many kernels below. They
are seen here one by one, so a matrix product counts wherever it comes from.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from chainrule.analysis.design.shapes import quick


@dataclass
class Cost:
    """Of one operation, or of several together.

    `bytes_moved` is what its kernels read and write, `scratch` the most that they hold at once of what they made
    themselves, results included.
    """

    multiply_adds: int = 0
    bytes_moved: int = 0
    scratch: int = 0

    def __add__(self, other: Cost) -> Cost:
        """One after the other."""
        return Cost(
            self.multiply_adds + other.multiply_adds,
            self.bytes_moved + other.bytes_moved,
            max(self.scratch, other.scratch),
        )


def _product(at: int) -> Callable[[tuple[Any, ...], Any], int]:
    """(..., n, k) times (..., k, m): each number of the result is a sum of k products."""
    return lambda args, out: int(out.numel() * args[at].shape[-1])


def _convolution(args: tuple[Any, ...], out: Any) -> int:
    # A transposed one spreads each number of its input over C_out / groups filters; the others gather.
    image, weight, transposed = args[0], args[1], args[6]
    return int((image if transposed else out).numel() * prod(weight.shape[1:]))


def _attention(args: tuple[Any, ...], out: Any) -> int:
    query, key, value = args[:3]  # (..., L, E), (..., S, E), (..., S, E_v)
    return int(prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1]))


def _dot(args: tuple[Any, ...], out: Any) -> int:
    return int(args[0].numel())


MULTIPLY_ADDS: dict[str, Callable[[tuple[Any, ...], Any], int]] = {
    "mm": _product(0),
    "bmm": _product(0),
    "mv": _product(0),
    "addmm": _product(1),
    "_addmm_activation": _product(1),
    "baddbmm": _product(1),
    "addmv": _product(1),
    "addbmm": lambda args, out: int(args[1].numel() * args[2].shape[-1]),
    "linear": _product(0),
    "dot": _dot,
    "vdot": _dot,
    "addr": lambda args, out: int(out.numel()),
    "convolution": _convolution,
    "_trilinear": lambda args, out: int(2 * args[1].numel() * args[0].shape[0]),
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
    "_scaled_dot_product_fused_attention_overrideable": _attention,
}
"""Kernels that multiply and add: convolutions and matrix products. Biases and elementwise work are not counted."""


class Kernels(TorchDispatchMode):
    """Sees every kernel while it is active; `take` gives what came since the last call of it.

    Args:
        without_data: All tensors are on the meta device, where only shapes are asked for.
    """

    def __init__(self, *, without_data: bool) -> None:
        super().__init__()
        self.without_data = without_data
        self.cost = Cost()
        self.held = 0
        self.sizes: dict[int, int] = {}  # storages made since the last `take` that are still held

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # hiding this class from torch's compiler would import that, which takes longer than all else

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the kernel and add up."""
        name = func.overloadpacket.__name__
        out = quick(name, args, kwargs or {}) if self.without_data else None
        if out is None:
            out = func(*args, **(kwargs or {}))
        rule = MULTIPLY_ADDS.get(name)
        if rule is not None:
            first = out if isinstance(out, Tensor) else next(t for t in out if isinstance(t, Tensor))
            self.cost.multiply_adds += rule(args, first)
        if not func.is_view:
            given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
            made = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
            self.cost.bytes_moved += sum(t.numel() * t.element_size() for t in (*given, *made))
            before = {t.untyped_storage()._cdata for t in given}
            for tensor in made:
                self._born(tensor, before)
        return out

    def take(self) -> Cost:
        """What the kernels since the last call cost."""
        cost, self.cost, self.held, self.sizes = self.cost, Cost(), 0, {}
        return cost

    def _born(self, tensor: Tensor, before: set[int]) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in before or storage._cdata in self.sizes:
            return
        sizes, key = self.sizes, storage._cdata
        sizes[key] = storage.nbytes()
        self.held += sizes[key]
        self.cost.scratch = max(self.cost.scratch, self.held)
        weakref.finalize(storage, self._died, sizes, key).atexit = False

    def _died(self, sizes: dict[int, int], key: int) -> None:
        if sizes is self.sizes:
            self.held -= sizes.pop(key, 0)
