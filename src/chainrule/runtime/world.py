"""The processes that share a step. One process alone: every sum is already complete."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


class Alone:
    """A world of one process on the CPU."""

    rank = 0
    size = 1

    def __init__(self, devices: Sequence[int] = ()) -> None:
        self.devices: list[int] = list(devices)

    def sum(self, values: dict[str, float]) -> dict[str, float]:
        """Sums over processes, by name."""
        return values

    def sum_tensors(self, tensors: Sequence[Tensor]) -> None:
        """Sum tensors over processes, in place."""

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Sum gradients over processes, in place."""
