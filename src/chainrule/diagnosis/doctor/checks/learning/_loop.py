"""The loop as it ran: what came between one step of the optimizers and the next, and which weights it is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Cleared, Clipped, Event, Forward, Moved, is_network

MOST = 0.6
"""Share of the cycles from which on something is the loop's habit: epochs' first and last cycles often differ."""


@dataclass
class Cycle:
    """What came before one group of steps: up to the last of them, from the group before on.

    Args:
        events: Calls, backward passes, clearings and clippings, in order.
        moves: The steps.
    """

    events: list[Event] = field(default_factory=list)
    moves: list[Moved] = field(default_factory=list)

    @property
    def backwards(self) -> list[Backward]:
        """Its backward passes, but for those that an optimizer makes itself in a closure."""
        return [e for e in self.events if isinstance(e, Backward) and not self.closure(e)]

    @property
    def forwards(self) -> list[Forward]:
        """Its calls of networks with gradients recorded."""
        return [e for e in self.events if isinstance(e, Forward) and e.grad and is_network(e.module)]

    @property
    def norm(self) -> float:
        """The largest norm of gradients that its steps have used."""
        return max((moved.norm for moved in self.moves), default=0.0)

    def closure(self, event: Backward) -> bool:
        """Whether a backward pass happened within a step."""
        return any(event.at >= moved.begun > 0.0 for moved in self.moves)

    def since_backward(self) -> list[Event]:
        """What came after the last backward pass."""
        places = [place for place, event in enumerate(self.events) if isinstance(event, Backward)]
        return self.events[places[-1] + 1 :] if places else list(self.events)


def cycles(case: Case) -> list[Cycle]:
    """The loop, cut after each group of steps that no backward pass parts; what follows the last is left out.

    Calls and clearings between the steps of two optimizers belong to the later cycle, if a backward pass comes too.
    """
    done: list[Cycle] = []
    now = Cycle()
    for event in case.seen.events:
        if isinstance(event, Moved):
            new = any(isinstance(e, (Backward, Forward)) for e in now.events)
            same = done and any(m.optimizer is event.optimizer for m in done[-1].moves)
            if new or same or not done:
                now.moves.append(event)
                done.append(now)
            else:
                done[-1].moves.append(event)
            now = Cycle()
        elif isinstance(event, (Forward, Backward, Cleared, Clipped)):
            now.events.append(event)
    return done


def share(found: Sequence[bool]) -> float:
    """The share of those that are true; 0 of none."""
    return sum(found) / len(found) if found else 0.0


@dataclass(frozen=True)
class Weight:
    """A tensor of weights.

    Args:
        name: Its name.
        tensor: Itself.
        owned: Whether an optimizer has it.
        reached: Whether a gradient ever came to it.
        moved: Whether it is another one now than at first.
        start: As it was at first.
    """

    name: str
    tensor: Tensor = field(repr=False)
    owned: bool
    reached: bool
    moved: bool
    start: Tensor = field(repr=False)


def weights(case: Case) -> list[Weight]:
    """All weights that were used."""
    owned = case.owned
    found = []
    for name, tensor in case.parameters.items():
        start = case.seen.initial.get(id(tensor))
        if start is not None:
            same = start.shape == tensor.shape and torch.equal(start, tensor.detach())
            found.append(Weight(name, tensor, id(tensor) in owned, id(tensor) in case.seen.reached, not same, start))
    return found


def looks_random(tensor: Tensor) -> bool | None:
    """Whether a matrix looks as if its elements had been drawn independently; None where that cannot be told.

    The largest singular value of a random (n, m) matrix of spread s is about s (sqrt n + sqrt m); one that was trained
    has directions that stand out.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> looks_random(torch.randn(40, 60)), looks_random(torch.randn(40, 60) + 1.0), looks_random(torch.randn(9))
        (True, False, None)
    """
    if tensor.ndim < 2:
        return None
    matrix = tensor.detach().float().flatten(1)
    rows, columns = matrix.shape
    if min(rows, columns) < LEAST_SIDE or matrix.numel() < LEAST_ELEMENTS or matrix.numel() > MOST_ELEMENTS:
        return None
    spread = float(matrix.std(correction=0))
    if not spread > 0.0:
        return False
    ratio = float(torch.linalg.matrix_norm(matrix, 2)) / (spread * (rows**0.5 + columns**0.5))
    return RANDOM[0] <= ratio <= RANDOM[1]


LEAST_SIDE = 6
"""Rows and columns below which the largest singular value of a random matrix varies too much."""
LEAST_ELEMENTS = 200
"""Elements below which it does."""
MOST_ELEMENTS = 4_000_000
"""Elements above which the singular value takes too long."""
RANDOM = (0.86, 1.1)
"""How far the largest singular value may be from what is expected of a random matrix: a few per cent for small ones."""


def training_calls(case: Case) -> Iterator[tuple[Forward, Backward]]:
    """Each backward pass with the last call of a network before it, with gradients recorded."""
    last: Forward | None = None
    for event in case.seen.events:
        if isinstance(event, Forward) and event.grad and is_network(event.module):
            last = event
        elif isinstance(event, Backward) and last is not None:
            yield last, event


def number(value: float) -> str:
    """A number as people write it."""
    return f"{value:.3g}"
