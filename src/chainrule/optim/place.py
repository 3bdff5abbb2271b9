"""The place in a run, and which parameters learn at which rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class At:
    """All that a rate, a weight or a rule may depend on; all of it is in a checkpoint.

    Args:
        seed: Of the run.
        step: Steps taken so far.
        steps: Steps in all.
        history: `(step, {metric: value})` of each evaluation so far.
    """

    seed: int
    step: int
    steps: int
    history: tuple[tuple[int, dict[str, float]], ...]


@dataclass(frozen=True)
class Group:
    """Parameters that share a rate.

    Args:
        select: `(name, tensor) -> bool`; by name and shape, so it survives rebuilding.
        rate: Learning rate at a place.
        start: First step at which they learn.
        options: Other options of the optimizer for them, such as `weight_decay`.
    """

    select: Callable[[str, Tensor], bool]
    rate: Callable[[At], float]
    start: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
