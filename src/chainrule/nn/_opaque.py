"""Tensors in a layout of their own."""

from __future__ import annotations

from typing import Any

from torch import Tensor


class Opaque:
    """A tensor that only a kernel can read, which no two copies of a network need twice.

    Args:
        tensor: Never changed.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __deepcopy__(self, memo: dict[int, Any]) -> Opaque:
        return self
