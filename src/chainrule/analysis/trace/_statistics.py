"""What is told of a tensor without keeping it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor


@dataclass(frozen=True)
class Statistics:
    """A tensor in four numbers; `norm` and `mean` are None where they say nothing (whole numbers, no elements).

    `zeros` is the share of elements that are zero, `finite` says whether none is NaN or infinite.
    """

    norm: float | None
    mean: float | None
    zeros: float | None
    finite: bool

    def as_dict(self) -> dict[str, float | bool | str | None]:
        """As plain JSON data: numbers that JSON lacks are words."""
        return {
            "norm": plain_number(self.norm),
            "mean": plain_number(self.mean),
            "zeros": self.zeros,
            "finite": self.finite,
        }


def statistics_of(tensor: Shaped[Tensor, "*shape"]) -> Statistics:
    """Return norm (root of the sum of squares), mean, share of zeros; sums in float64.

    Example:
        >>> statistics_of(torch.tensor([3.0, -4.0, 0.0, 0.0]))
        Statistics(norm=5.0, mean=-0.25, zeros=0.5, finite=True)
    """
    dense = tensor.detach()
    dense = dense.to_dense() if dense.layout != torch.strided else dense
    if dense.numel() == 0:
        return Statistics(0.0 if dense.is_floating_point() else None, None, None, True)
    zeros = 1 - int(torch.count_nonzero(dense)) / dense.numel()
    if not dense.is_floating_point():
        return Statistics(None, None, zeros, True)
    norm = float(torch.linalg.vector_norm(dense, dtype=torch.float64))
    return Statistics(norm, float(dense.mean(dtype=torch.float64)), zeros, bool(torch.isfinite(dense).all()))


def plain_number(number: float | None) -> float | str | None:
    """A number as JSON can hold it."""
    if number is None or math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


class Shelf:
    """Copies of tensors by name, while there is room: `each` bytes for one, `total` for all; None has no limit."""

    def __init__(self, each: int | None, total: int | None) -> None:
        self.each, self.total, self.used = each, total, 0
        self.tensors: dict[str, Tensor] = {}
        self.missing: dict[str, int] = {}  # name -> bytes that it would have taken

    def put(self, name: str, tensor: Shaped[Tensor, "*shape"]) -> None:
        """Keep a copy, if there is room."""
        size = tensor.numel() * tensor.element_size()
        full = self.total is not None and self.used + size > self.total
        if full or (self.each is not None and size > self.each):
            self.missing[name] = size
            return
        self.used += size
        self.tensors[name] = tensor.detach().clone()
