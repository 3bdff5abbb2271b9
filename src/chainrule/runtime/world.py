"""The processes that share a step: what a training asks of them, and one process alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


class World(Protocol):
    """The processes that share a step.

    `rank` is the number of this one, `size` how many there are, `shard` over how many of them the weights are laid out,
    `device` where it computes, `devices` the graphics processors whose generators a training leaves as they were.
    """

    rank: int
    size: int
    shard: int
    device: torch.device
    devices: list[int]

    def sum(self, values: dict[str, float]) -> dict[str, float]:
        """Return sums over processes, by name."""

    def sum_tensors(self, tensors: Sequence[Tensor]) -> None:
        """Sum tensors over processes, in place."""

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Sum gradients over processes, in place."""

    def largest(self, value: int) -> int:
        """Return the largest of the processes' numbers."""

    def gather(self, value: T) -> list[T]:
        """Return the value of each process, in the order of their ranks."""

    def first(self, work: Callable[[], T]) -> T:
        """Let process 0 do something, and return in all what came out; an error of it is raised in all."""

    def spread(self, model: nn.Module) -> None:
        """Lay out a network over the processes, before its optimizer is made."""

    def whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors whole that are laid out over the processes."""

    def told(self) -> Any:
        """While it lasts, the failure of another process is told as what it is."""


class Alone:
    """A world of one process."""

    rank = 0
    size = 1
    shard = 1

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.devices: list[int] = [] if self.device.type == "cpu" else [self.device.index or 0]

    def sum(self, values: dict[str, float]) -> dict[str, float]:
        """Return the values."""
        return values

    def sum_tensors(self, tensors: Sequence[Tensor]) -> None:
        """Leave them as they are."""

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Leave them as they are."""

    def largest(self, value: int) -> int:
        """Return the number."""
        return value

    def gather(self, value: T) -> list[T]:
        """Return the value alone."""
        return [value]

    def first(self, work: Callable[[], T]) -> T:
        """Do it."""
        return work()

    def spread(self, model: nn.Module) -> None:
        """Leave it as it is."""

    def whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors."""
        return dict(tensors)

    @contextmanager
    def told(self) -> Iterator[None]:
        """There is no other process."""
        yield
