"""What happens in a training, in the order in which it happens, whoever wrote the loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.analysis._replay import Score


@dataclass(frozen=True)
class Inputs:
    """What a network was called with: a summary, and for a few calls the tensors themselves."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    mean: float
    spread: float
    least: float
    most: float
    tensor: Tensor | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Forward:
    """A network was called, from outside of any other module.

    Args:
        module: The network.
        training: Whether it was in training mode.
        mixed: Modules inside that were in the other mode.
        grad: Whether gradients were recorded.
        inputs: Its first tensor; None without one.
        at: Seconds since the watch began.
    """

    module: nn.Module = field(repr=False)
    training: bool
    mixed: tuple[str, ...]
    grad: bool
    inputs: Inputs | None
    at: float


@dataclass(frozen=True)
class Backward:
    """Gradients were computed.

    Args:
        loss: Its value, the sum where it has several elements.
        shape: Its shape.
        score: What led to it, to be played again, for some of the steps.
        output: The loss among the values of the score.
        stale: Norm of the gradients that were there before, of parameters that this loss reaches.
        at: Seconds since the watch began, before.
    """

    loss: float
    shape: tuple[int, ...]
    score: Score | None = field(repr=False)
    output: int | None
    stale: float
    at: float


@dataclass(frozen=True)
class Cleared:
    """Gradients were set to zero or None, by an optimizer's or a module's `zero_grad`."""

    at: float


@dataclass(frozen=True)
class Moved:
    """An optimizer took a step.

    Args:
        optimizer: Which one.
        rates: Learning rate of each group.
        norm: Norm of all gradients that it used.
        change: Norm of the change of all its parameters over the norm of the parameters; None where nobody looked.
        at: Seconds since the watch began, after.
    """

    optimizer: torch.optim.Optimizer = field(repr=False)
    rates: tuple[float, ...]
    norm: float
    change: float | None
    at: float


Event = Forward | Backward | Cleared | Moved


@dataclass
class Observation:
    """All that was seen.

    Args:
        events: In order.
        networks: Modules that were called from outside of others, by the name of their class.
        initial: Parameters and buffers as they were when they were first used, by id of the tensor.
        loaders: Data loaders that were made: their arguments, as far as they say something.
        error: What ended the training, if it did not end by itself.
        complete: Whether it ran to its end.
        seconds: How long it was watched.
    """

    events: list[Event] = field(default_factory=list)
    networks: dict[str, nn.Module] = field(default_factory=dict)
    initial: dict[int, Tensor] = field(default_factory=dict, repr=False)
    loaders: list[dict[str, Any]] = field(default_factory=list)
    error: BaseException | None = None
    complete: bool = False
    seconds: float = 0.0

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def recorded(self) -> list[Backward]:
        """The backward passes whose way to the loss was recorded."""
        return [event for event in self.events if isinstance(event, Backward) and event.score is not None]

    def parameters(self) -> dict[str, nn.Parameter]:
        """The parameters of all networks by name; of several networks with the network's name before it."""
        several = len(self.networks) > 1
        return {
            f"{title}.{name}" if several else name: parameter
            for title, module in self.networks.items()
            for name, parameter in module.named_parameters()
        }
