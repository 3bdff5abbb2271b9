"""Matrix products of fully connected layers by oneDNN, where it is quicker than what torch takes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeGuard

import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional

LEAST = 2**25
"""Multiplications of a product; with fewer, laying out the weights costs what the kernel gains."""
MAKER = "AuthenticAMD"
"""Whose processors MKL, which torch asks for float32 products, does not give its widest kernels."""


@contextmanager
def onednn_products(model: nn.Module) -> Iterator[None]:
    """While it lasts, oneDNN computes large fully connected layers of a network: equal up to rounding, and quicker.

    Of a layer (N, K) -> (N, M) oneDNN computes the scores and the gradient of the inputs, where they are float32 on a
    CPU; the gradient of the weights, whose sizes change with the batch and with them its kernel, stays with torch. On
    processors of other makers than AMD nothing is changed, since there nothing was measured to be gained.

    Args:
        model: Its `nn.Linear` are computed otherwise, not what derives from them; it is as it was afterwards.

    Example:
        >>> model, x = nn.Linear(512, 512), torch.randn(256, 512)
        >>> with onednn_products(model):
        ...     found = model(x)
        >>> torch.allclose(found, model(x), atol=1e-5)
        True

    Source:
        LECTURES A3, C1. The operation is the one that torch's compiler uses, as `chainrule.runtime.fused`.
        docs/speed.md says what it brings.
    """
    changed = [part for part in model.modules() if _is_plain(part)] if available() else []
    for part in changed:
        vars(part)["forward"] = partial(_forward, part)
    try:
        yield
    finally:
        for part in changed:
            vars(part).pop("forward", None)


@cache
def available() -> bool:
    """Whether torch has the operation, and the processor is one that gains by it."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    try:
        return MAKER in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


class LinearProduct(torch.autograd.Function):
    """y = x W^T + b by oneDNN, and dL/dx = dL/dy W; dL/dW = (dL/dy)^T x and dL/db by torch.

    A gradient of these gradients is torch's own.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Float32[Tensor, "*b k"], weight: Float32[Tensor, "m k"], bias: Float32[Tensor, " m"] | None
    ) -> Float32[Tensor, "*b m"]:
        """Return x W^T + b."""
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Float32[Tensor, "*b m"]) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return the gradients of x, W and b."""
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        rows = gradient.flatten(0, -2)
        whole = torch.is_grad_enabled()  # somebody differentiates what is computed here
        return (
            (gradient @ weight if whole else _product(gradient, weight.t(), None)) if of_x else None,
            rows.t() @ x.flatten(0, -2) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x.contiguous(), weight, bias, "none", [], "")
    return found


def _forward(layer: nn.Linear, x: Tensor) -> Tensor:
    """`nn.Linear.forward`."""
    if not _is_worth_it(x, layer.weight):
        return functional.linear(x, layer.weight, layer.bias)
    if torch.is_grad_enabled():
        found: Tensor = LinearProduct.apply(x, layer.weight, layer.bias)
        return found
    return _product(x, layer.weight, layer.bias)


def _is_worth_it(x: Tensor, weight: Tensor) -> bool:
    """Large, float32, on a CPU, in rows; and not inside a transform or a compiler, which would have to look into it."""
    return (
        type(x) is Tensor
        and type(weight) in (Tensor, nn.Parameter)
        and x.dim() > 1
        and x.numel() * len(weight) >= LEAST
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == weight.device.type == "cpu"
        and x.shape[-1] == weight.shape[1]
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and torch._C._functorch.peek_interpreter_stack() is None
        and forward_ad._current_level < 0
    )


def _is_plain(part: nn.Module) -> TypeGuard[nn.Linear]:
    """Exactly torch's layer: what derives from it, or has a forward of its own, may compute something else."""
    return type(part) is nn.Linear and "forward" not in vars(part)
