"""Gradients and state in the layout of their parameter.

torch's fused optimizers on the CPU walk through parameter, gradient and state side by side in memory, and look at no
strides (2.13: a channels-last gradient of a row-major parameter gives a wrong step without a word). So whatever has
another layout, such as a gradient set by hand or a state that was read from a file, is brought into line before each
step. And a group whose parameters have gaps is not fused, also when it was added later, or when the state of a fused
one was read into it, which brings that choice along.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor

from chainrule.optim._options import can_be_fused

AnyOptimizer = TypeVar("AnyOptimizer", bound=torch.optim.Optimizer)


def aligned(optimizer: AnyOptimizer) -> AnyOptimizer:
    """Return the optimizer, which from now on aligns gradients and state before each of its steps.

    This is a hook of torch's, and a deep copy of an optimizer has none: to copy one, make another and load the state.

    Example:
        >>> p = torch.zeros(2, 2, 1, 2, requires_grad=True)
        >>> optimizer = aligned(torch.optim.SGD([p], lr=1.0, fused=True))
        >>> p.grad = torch.arange(8.0).reshape(2, 2, 1, 2).to(memory_format=torch.channels_last)
        >>> optimizer.step()
        >>> p.flatten().tolist()
        [0.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0]
    """
    optimizer.register_step_pre_hook(_align)
    return optimizer


def _align(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    for group in optimizer.param_groups:
        if group.get("fused") and not can_be_fused(group["params"]):
            group["fused"] = False
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            if not _alike(parameter.grad, parameter):
                parameter.grad = _as(parameter, parameter.grad)
            slots = optimizer.state.get(parameter, {})
            for slot, value in slots.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape and not _alike(value, parameter):
                    slots[slot] = _as(parameter, value)


def _alike(a: Tensor, b: Tensor) -> bool:
    """Whether equal indices are at equal places in memory (strides of dimensions of size 1 do not matter)."""
    return a.stride() == b.stride() or (a.is_contiguous() and b.is_contiguous())


def _as(parameter: Tensor, value: Tensor) -> Tensor:
    return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value.detach())
