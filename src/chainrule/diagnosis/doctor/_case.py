"""A training as the checks see it: what was watched, put in words that a check asks with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.analysis._replay import play
from chainrule.analysis._tape import Operation, Tape
from chainrule.analysis._tape_modules import Call
from chainrule.diagnosis.doctor._copies import copy_of
from chainrule.diagnosis.doctor._criteria import Criterion, find_criteria, learned_values, upstream
from chainrule.diagnosis.doctor._events import (
    Backward,
    Evaluated,
    Forward,
    Line,
    Made,
    Moved,
    Observation,
    is_network,
    owned_by,
)
from chainrule.diagnosis.doctor._rehearse import Rehearsal, State
from chainrule.diagnosis.doctor._source import Source


class Batch:
    """One recorded step: from the network's inputs to the loss.

    Args:
        event: The backward pass that was recorded.
        parameters: Ids of all parameters.
    """

    def __init__(self, event: Backward, parameters: set[int]) -> None:
        assert event.score is not None
        assert event.output is not None
        self.event, self.score, self.loss = event, event.score, event.output
        self._parameters = parameters

    @property
    def tape(self) -> Tape:
        """What was recorded."""
        return self.score.tape

    @cached_property
    def calls(self) -> list[Call]:
        """The calls of networks: of modules with parameters, from outside of others."""
        return [c for c in self.tape.calls if c.parent is None and is_network(c.module)]

    @cached_property
    def outputs(self) -> frozenset[int]:
        """What the networks returned."""
        return frozenset(index for call in self.calls for index in call.outputs)

    @cached_property
    def learned(self) -> set[int]:
        """The values that depend on parameters."""
        return learned_values(self.tape, self._parameters)

    @cached_property
    def criteria(self) -> list[Criterion]:
        """The comparisons of what a network gives with what it should give, on the way to the loss."""
        return find_criteria(self.tape, self.loss, self._parameters, self.outputs)

    @cached_property
    def criterion(self) -> Criterion | None:
        """The first of them."""
        return self.criteria[0] if self.criteria else None

    @cached_property
    def inputs(self) -> list[Tensor]:
        """The data that the networks were called with, as they were."""
        indices = dict.fromkeys(index for call in self.calls for index in call.inputs)
        return [self.tape.values[i].tensor for i in indices if self.is_data(i)]

    @cached_property
    def targets(self) -> Tensor | None:
        """What the predictions are compared with, as it was."""
        place = self.criterion.target if self.criterion else None
        return None if place is None or not self.is_data(place) else self.tape.values[place].tensor

    def is_data(self, value: int) -> bool:
        """Whether a value is a tensor of the user's that no operation of the step has made."""
        found = self.tape.values[value]
        return found.operation is None and found.kind not in ("parameter", "buffer")

    @torch.no_grad()
    def played(self, state: State | None = None) -> dict[int, Tensor]:
        """All values of the step, with the first weights or these; nothing is kept of it."""
        given = {
            value.index: state[id(value.tensor)].detach().clone()
            for value in self.tape.values
            if state is not None and value.operation is None and id(value.tensor) in state
        }
        return play(self.score, given)

    def made_by(self, value: int) -> Operation | None:
        """The operation that a value is the result of."""
        place = self.tape.values[value].operation
        return next((o for o in self.tape.operations if o.index == place), None) if place is not None else None

    def behind(self, value: int) -> list[Operation]:
        """The operations between the networks' outputs and a value, the last first."""
        return upstream(self.tape, value, stop=self.outputs)

    def line(self, operation: Operation) -> Line | None:
        """Where an operation was written."""
        return self.event.lines.get(operation.index)


class Case:
    """A training that was watched.

    Args:
        seen: What was seen.
        source: The program's text, where there is one.
        seconds: How long the experiments on it may take together.
    """

    def __init__(self, seen: Observation, source: Source | None = None, *, seconds: float = 40.0) -> None:
        self.seen, self.source = seen, source or Source.empty()
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left for experiments."""
        return max(0.0, self._end - time.monotonic())

    @cached_property
    def rehearsal(self) -> Rehearsal:
        """The recorded steps, to be taken again."""
        return Rehearsal(self.seen)

    @cached_property
    def networks(self) -> dict[str, nn.Module]:
        """Modules with parameters that were called from outside of others, by title."""
        return {t: m for t, m in self.seen.networks.items() if is_network(m)}

    @cached_property
    def network(self) -> nn.Module | None:
        """The network: of several the one with most parameters that learns."""
        learning = [f.module for f in self.forwards if f.learning]
        found = [m for m in self.networks.values() if any(m is each for each in learning)] or [*self.networks.values()]
        return max(found, key=lambda module: sum(p.numel() for p in module.parameters()), default=None)

    @cached_property
    def parameters(self) -> dict[str, Tensor]:
        """All parameters by name, those in no module included."""
        return self.seen.parameters()

    @cached_property
    def batches(self) -> list[Batch]:
        """The recorded steps."""
        ids = {id(p) for p in self.parameters.values()}
        ids |= {id(p) for moved in self.moves for p in owned_by(moved.optimizer)}
        return [Batch(event, ids) for event in self.seen.recorded]

    @cached_property
    def losses(self) -> list[float]:
        """The loss of every backward pass, in order."""
        return [event.loss for event in self.seen.of(Backward)]

    @cached_property
    def moves(self) -> list[Moved]:
        """Every step of an optimizer."""
        return self.seen.of(Moved)

    @cached_property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """The optimizers that were made or took a step."""
        found = [event.optimizer for event in self.seen.events if isinstance(event, (Made, Moved))]
        return list({id(each): each for each in found}.values())

    @property
    def owned(self) -> set[int]:
        """Ids of all tensors that optimizers hold."""
        return {id(p) for optimizer in self.optimizers for p in owned_by(optimizer)}

    @property
    def optimizer_line(self) -> Line | None:
        """Where the optimizer was made, and its options stand; else where it first took a step."""
        made = (event.line for event in self.seen.events if isinstance(event, (Made, Moved)))
        return next((line for line in made if line is not None), None)

    @cached_property
    def forwards(self) -> list[Forward]:
        """Every call of a network from outside of others; calls of losses are not among them."""
        return [f for f in self.seen.of(Forward) if is_network(f.module)]

    @property
    def evaluations(self) -> list[list[Evaluated]]:
        """The first and the last pass without learning."""
        return self.seen.evaluations

    @cached_property
    def task(self) -> str:
        """What is learned: "classes", "yes or no", "numbers", or "own"."""
        criterion = next((b.criterion for b in self.batches if b.criterion), None)
        if criterion is None:
            return "own"
        if criterion.kind in ("cross entropy", "negative log likelihood", "margin"):
            return "classes"
        if criterion.kind.startswith("binary"):
            return "yes or no"
        return "own" if criterion.kind in ("own", "divergence") else "numbers"

    @cached_property
    def final(self) -> State:
        """The weights and buffers as they are now, after what was watched, by the id of the tensor."""
        own = [t for m in self.seen.networks.values() for t in (*m.parameters(), *m.buffers())]
        now = {id(t): t for t in (*own, *self.seen.loose.values())}
        return {key: now[key].detach().clone() for key in self.seen.initial if key in now}

    @contextmanager
    def answering(self, module: nn.Module) -> Iterator[nn.Module]:
        """A copy of a network in evaluation mode with the weights it has now; nothing that is done to it stays."""
        with torch.random.fork_rng(), torch.no_grad():
            yield copy_of(module).eval()

    def place(self, line: Line | None) -> str:
        """A line as people write it: `train.py:12`."""
        return self.source.place(line)


def output_of(answer: Any) -> Tensor | None:
    """The first tensor in what a network returned."""
    from torch.utils._pytree import tree_leaves

    return next((leaf for leaf in tree_leaves(answer) if isinstance(leaf, Tensor)), None)
