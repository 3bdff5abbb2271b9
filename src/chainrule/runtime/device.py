"""Where a training computes, and in which numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from chainrule.core.errors import UsageError

CPU = torch.device("cpu")


def choose_device(name: str = "auto") -> str:
    """Return "cuda" or "cpu": what is asked for, or the graphics processor where there is one.

    Raises:
        UsageError: It is not there.

    Example:
        >>> choose_device("cpu")
        'cpu'
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UsageError("there is no graphics processor that torch can use", remedy="--train.device cpu")
    return "cuda" if name == "cuda" or (name == "auto" and there) else "cpu"


def placed(value: Any, device: torch.device, dtype: torch.dtype | None = None) -> Any:
    """Return a value with all its tensors on a device, and its floats of a type; what is there already is left.

    Args:
        value: A tensor, or a dictionary, list, tuple or dataclass of such values; anything else stays.
        device: Where to.
        dtype: Of tensors of floats; None: as they are.

    Example:
        >>> placed({"x": torch.ones(2), "n": 3}, CPU, torch.float64)["x"].dtype
        torch.float64
    """
    if device == CPU and dtype is None:
        return value
    if isinstance(value, Tensor):
        kind = dtype if value.is_floating_point() else None
        return value.to(device=device, dtype=kind, non_blocking=True)
    if isinstance(value, Mapping):
        return {name: placed(inner, device, dtype) for name, inner in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(placed(inner, device, dtype) for inner in value))
    if isinstance(value, list | tuple):
        return type(value)(placed(inner, device, dtype) for inner in value)
    if is_dataclass(value) and not isinstance(value, type):
        inner = {field.name: placed(getattr(value, field.name), device, dtype) for field in fields(value)}
        return replace(value, **inner)
    return value
