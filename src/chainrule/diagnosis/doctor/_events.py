"""What happens in a training, in the order in which it happens, whoever wrote the loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.analysis._replay import Score
from chainrule.analysis._tape import Tape
from chainrule.diagnosis.doctor._by_hand import HandStep
from chainrule.diagnosis.doctor._stored import Stored

Line = tuple[str, int]
"""A file of the user's and a line in it, counted from 1."""


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


@dataclass
class Forward:
    """A module was called, from outside of any other module: a network, or a loss.

    Args:
        module: What was called.
        training: Whether it was in training mode.
        mixed: Modules inside that were in the other mode.
        grad: Whether gradients were recorded.
        inputs: Its first tensor; None without one.
        rows: One number for each example of its first tensor: equal examples have equal numbers. None without examples.
        at: Seconds since the watch began.
        line: Where it was called.
        given: All that it was called with, positional and by name, for a few calls.
        output: What it returned, of the same calls.
    """

    module: nn.Module = field(repr=False)
    training: bool
    mixed: tuple[str, ...]
    grad: bool
    inputs: Inputs | None
    rows: Tensor | None = field(repr=False)
    at: float
    line: Line | None = None
    given: tuple[tuple[Any, ...], dict[str, Any]] | None = field(default=None, repr=False)
    output: Any = field(default=None, repr=False)

    @property
    def learning(self) -> bool:
        """Whether this call may lead to a gradient: training mode, and gradients recorded."""
        return self.training and self.grad


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
        line: Where `backward` was called.
        lines: Operation of the score -> where it was written.
        kept: Losses of earlier passes that somebody still holds with all that they were computed from.
        behind: Operations of earlier passes that tensors used in this one still hold; of recorded ones.
        again: Share of the operations of the pass before, whose graph was left standing, that a larger one goes through
            again before any step.
    """

    loss: float
    shape: tuple[int, ...]
    score: Score | None = field(repr=False)
    output: int | None
    stale: float
    at: float
    line: Line | None = None
    lines: Mapping[int, Line] = field(default_factory=dict, repr=False)
    kept: int = 0
    behind: int = 0
    again: float = 0.0


@dataclass(frozen=True)
class Evaluated:
    """A network was called without learning, and something was made of what it returned: predictions, a metric.

    Args:
        forward: The call; of these every one has `given` and `output`.
        tape: What was computed in the call and after it, up to the next. Of the operations inside of modules the values
            are not kept, and none that is large.
        lines: Operation -> where it was written.
        at: Seconds since the watch began, after.
    """

    forward: Forward
    tape: Tape = field(repr=False)
    lines: Mapping[int, Line] = field(repr=False)
    at: float


@dataclass(frozen=True)
class Cleared:
    """Gradients were set to zero or None, by an optimizer's or a module's `zero_grad`."""

    at: float
    line: Line | None = None


@dataclass(frozen=True)
class Clipped:
    """Gradients were clipped by `clip_grad_norm_` (`norm` before it) or `clip_grad_value_` (the largest element)."""

    norm: float
    limit: float
    by_value: bool
    at: float
    line: Line | None = None


@dataclass(frozen=True)
class Made:
    """An optimizer was made."""

    optimizer: torch.optim.Optimizer = field(repr=False)
    at: float
    line: Line | None = None


@dataclass(frozen=True)
class Loaded:
    """A network was given a state; `shared` names those tensors that were its own already, not copies.

    `missing` are names of the network that the state has not, `unexpected` those that only the state has.
    """

    module: nn.Module = field(repr=False)
    shared: tuple[str, ...]
    at: float
    line: Line | None = None
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Printed:
    """The training printed something."""

    text: str
    at: float


@dataclass(frozen=True)
class Measured:
    """A metric of scikit-learn's was computed: of which `truth` and `predicted` (arrays, None if none or too large)."""

    name: str
    truth: Any = field(repr=False)
    predicted: Any = field(repr=False)
    value: Any
    at: float
    line: Line | None = None


@dataclass(frozen=True)
class Moved:
    """An optimizer took a step.

    Args:
        optimizer: Which one.
        rates: Learning rate of each group.
        norm: Norm of all gradients that it used.
        change: Norm of the change of all its parameters over the norm of the parameters; None where nobody looked.
        at: Seconds since the watch began, after.
        begun: The same before: backward passes in between are those of a closure.
        carried: Share of its parameters' elements whose gradient holds one that an earlier step has used.
    """

    optimizer: torch.optim.Optimizer = field(repr=False)
    rates: tuple[float, ...]
    norm: float
    change: float | None
    at: float
    line: Line | None = None
    begun: float = 0.0
    carried: float = 0.0


@dataclass(frozen=True)
class Scheduled:
    """A schedule of the rate was made; how often it was stepped is found in it (`_step_count`)."""

    scheduler: Any = field(repr=False)
    at: float
    line: Line | None = None


@dataclass(frozen=True)
class Judged:
    """A schedule that waits for a plateau was told how well it goes."""

    scheduler: Any = field(repr=False)
    value: float
    at: float
    line: Line | None = None


Event = Forward | Backward | Cleared | Clipped | Moved | Made | Loaded | Printed | Measured | Scheduled | Judged


@dataclass(frozen=True)
class Second:
    """A second training in the same program, with other weights.

    Args:
        begin: Place of its first event.
        initial: Parameters and buffers as they were at its beginning.
        passes: Place of an event -> the backward pass with all that was recorded of it; in its place stands the bare
            event.
    """

    begin: int
    initial: dict[int, Tensor] = field(repr=False)
    passes: dict[int, Backward] = field(default_factory=dict, repr=False)


@dataclass
class Observation:
    """All that was seen.

    Args:
        events: In order.
        evaluations: The first and the last passes without learning: the calls between two steps, in order.
        networks: Modules that were called from outside of others, by the name of their class.
        loose: Tensors with a gradient that belong to no module, by a name made for them.
        initial: Parameters and buffers as they were when they were first used, by id of the tensor.
        loaders: Data loaders that were made: their arguments, as far as they say something.
        reached: Ids of the tensors in whose `grad` a gradient ever stood.
        by_hand: Steps that were taken without an optimizer, while passes were recorded.
        debugging: What is made for finding errors, and slow -> backward passes that ran under it.
        frozen: Ids of the parameters that were kept from learning when an optimizer was made or a network first called.
        graphs: The most graphs of calls that were held at once without need: of evaluations, of earlier steps.
        stored: Arrays that examples are taken from, at the beginning and at the end.
        second: A second training in the same program.
        error: What ended the training, if it did not end by itself.
        complete: Whether it ran to its end.
        seconds: How long it was watched.
    """

    events: list[Event] = field(default_factory=list)
    evaluations: list[list[Evaluated]] = field(default_factory=list)
    networks: dict[str, nn.Module] = field(default_factory=dict)
    loose: dict[str, Tensor] = field(default_factory=dict)
    initial: dict[int, Tensor] = field(default_factory=dict, repr=False)
    loaders: list[dict[str, Any]] = field(default_factory=list)
    reached: set[int] = field(default_factory=set, repr=False)
    by_hand: list[HandStep] = field(default_factory=list)
    debugging: Counter[str] = field(default_factory=Counter)
    frozen: set[int] = field(default_factory=set, repr=False)
    graphs: int = 0
    stored: list[Stored] = field(default_factory=list, repr=False)
    second: Second | None = None
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

    @property
    def later(self) -> Observation | None:
        """What was seen of the second training alone."""
        if self.second is None or not self.second.passes:
            return None
        events = [self.second.passes.get(i, event) for i, event in enumerate(self.events)]
        return replace(
            self,
            events=events[self.second.begin :],
            evaluations=self.evaluations[1:],
            initial={**self.initial, **self.second.initial},
            second=None,
        )

    def parameters(self) -> dict[str, Tensor]:
        """All parameters by name, with the network's name before it where there are several; loose ones too."""
        learning = {title: module for title, module in self.networks.items() if is_network(module)}
        return {
            f"{title}.{name}" if len(learning) > 1 else name: parameter
            for title, module in learning.items()
            for name, parameter in module.named_parameters()
        } | self.loose


def is_network(module: nn.Module) -> bool:
    """Whether a module has parameters; losses have none."""
    return next(module.parameters(), None) is not None


def owned_by(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """The tensors that an optimizer moves."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
