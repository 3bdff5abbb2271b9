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
    history: tuple[tuple[int, dict[str, float]], ...] = ()


@dataclass(frozen=True)
class Group:
    """Parameters that share a rate.

    Args:
        select: `(name, tensor) -> bool`; by name and shape, so it survives rebuilding.
        rate: Learning rate at a place.
        start: First step at which they learn.
        options: Other options of the optimizer for them, such as `weight_decay`.

    Example:
        >>> fading = Group(select=is_weight, rate=lambda at: 0.1 * (1 - at.step / at.steps))
        >>> fading.rate(At(seed=0, step=5, steps=10))
        0.05
    """

    select: Callable[[str, Tensor], bool]
    rate: Callable[[At], float]
    start: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


def is_weight(name: str, parameter: Tensor) -> bool:
    """Return whether a parameter is a weight rather than a bias or a norm's scale: two dimensions or more.

    Penalties and weight decay apply to these unless told otherwise.

    Args:
        name: Of the parameter; a selection by name has the same arguments.
        parameter: Its shape decides.

    Example:
        >>> from torch import nn
        >>> layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        >>> [name for name, parameter in layers.named_parameters() if is_weight(name, parameter)]
        ['0.weight']

    Source:
        LECTURES A6.
    """
    return parameter.ndim >= 2
