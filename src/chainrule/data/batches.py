"""What one batch is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """Some examples of a step.

    Args:
        inputs: What the network is given; for images float32 (N, C, H, W), normalized.
        targets: What it should answer; for classes int64 (N,), or `Mixed`.
        key: One key an example, a function of (seed, epoch, index), from which everything random is drawn.
        index: Positions of the examples within their part of the data.
        skipped: Examples that should have been among them but cannot be read, in words.
    """

    inputs: Any
    targets: Any
    key: Int64[Tensor, " n"]
    index: Int64[Tensor, " n"]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True, eq=False)
class Mixed:
    """Targets of images that are mixtures of two: loss = share * loss(first) + (1 - share) * loss(second).

    Args:
        first: Classes of the images.
        second: Classes of the images that were mixed in.
        share: Weight of the first, in [0, 1].
    """

    first: Int64[Tensor, " n"]
    second: Int64[Tensor, " n"]
    share: Float[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.first)
