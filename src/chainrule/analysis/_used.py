"""The networks and tensors that a function can be seen to use."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn


def modules_of(function: Callable[..., Any]) -> dict[str, nn.Module]:
    """The networks that a function can be seen to use, by the names that it has for them; a network is its own, ""."""
    if isinstance(function, nn.Module):
        return {"": function}
    owner = getattr(function, "__self__", None)
    found = {"": owner} if isinstance(owner, nn.Module) else {}
    return found | {name: value for name, value in _around(function) if isinstance(value, nn.Module)}


def paths_of(function: Callable[..., Any]) -> dict[int, str]:
    """id of each module that a function can be seen to use -> its path."""
    found: dict[int, str] = {}
    for prefix, module in modules_of(function).items():
        for path, part in module.named_modules():
            found.setdefault(id(part), ".".join(filter(None, [prefix, path])))
    return found


def tensors_of(function: Callable[..., Any]) -> dict[str, Tensor]:
    """The tensors around a function, by the names that it has for them: its own variables' and its networks'."""
    found = {name: value for name, value in _around(function) if isinstance(value, Tensor)}
    for prefix, module in modules_of(function).items():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            found[f"{prefix}.{name}" if prefix else name] = tensor
    return found


def _around(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    try:
        around = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return
    yield from around.nonlocals.items()
    yield from around.globals.items()
