"""The recorded steps of a training, taken again from the same start with one thing changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule.analysis._replay import Action, Score, play
from chainrule.diagnosis.doctor._events import Backward, Moved, Observation

State = dict[int, Tensor]
"""Weights and buffers, by the id of the tensor that they stand for."""
Remake = Callable[[State], torch.optim.Optimizer]


class Rehearsal:
    """Trains a copy of what was watched, on the batches that were recorded, as often as one likes.

    Python's control flow is not run again: each recorded batch goes through the operations that it went through.

    Args:
        seen: A training that was watched; its network stays as it is.

    Example:
        >>> from chainrule.diagnosis.doctor._observe import Watch
        >>> _ = torch.manual_seed(0)
        >>> model = torch.nn.Linear(3, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with Watch() as watch:
        ...     for _ in range(5):
        ...         optimizer.zero_grad()
        ...         model(torch.ones(4, 3)).square().mean().backward()
        ...         optimizer.step()
        >>> rehearsal = Rehearsal(watch.seen)
        >>> losses = rehearsal.train(5)
        >>> losses == [event.loss for event in watch.seen.recorded]
        True
    """

    def __init__(self, seen: Observation) -> None:
        self.batches: list[Backward] = seen.recorded
        self._initial = seen.initial
        self._moved: list[Moved] = seen.of(Moved)
        used = {
            id(value.tensor) for batch in self.batches for value in _score(batch).tape.values if value.operation is None
        }
        self.used = used & set(self._initial)

    def start(self) -> State:
        """A fresh copy of the first weights and buffers."""
        return {key: value.clone().requires_grad_(value.is_floating_point()) for key, value in self._initial.items()}

    def loss(self, batch: int, state: State, *, actions: Mapping[int, Action] | None = None) -> Tensor:
        """The loss of a recorded batch with these weights; its buffers move as in training."""
        recorded = self.batches[batch]
        prepared = _score(recorded)
        assert recorded.output is not None
        given = {
            value.index: state[id(value.tensor)].detach() if value.kind == "buffer" else state[id(value.tensor)]
            for value in prepared.tape.values
            if value.operation is None and id(value.tensor) in state
        }
        return play(prepared, given, actions=actions)[recorded.output]

    def train(
        self,
        steps: int,
        *,
        batches: Sequence[int] | None = None,
        optimizer: Remake | None = None,
        state: State | None = None,
        actions: Mapping[int, Mapping[int, Action]] | None = None,
        seed: int = 0,
    ) -> list[float]:
        """Take steps and return the loss before each; ends early where it is not finite.

        Args:
            steps: How many.
            batches: The recorded batches that are gone through again and again; all of them when left out.
            optimizer: Makes the optimizer from the state; the watched one, as it was set, when left out.
            state: Where it begins, changed in place; the first weights when left out.
            actions: Batch -> operation -> what runs in its place.
            seed: Of dropout and whatever else draws.
        """
        state = self.start() if state is None else state
        chosen = list(range(len(self.batches))) if batches is None else list(batches)
        move = (optimizer or self.optimizer)(state)
        losses = []
        with torch.random.fork_rng(), torch.enable_grad():
            torch.manual_seed(seed)
            for step in range(steps):
                batch = chosen[step % len(chosen)]
                loss = self.loss(batch, state, actions=(actions or {}).get(batch)).sum()
                losses.append(float(loss.detach()))
                if not math.isfinite(losses[-1]):
                    break
                for tensor in state.values():
                    tensor.grad = None
                if loss.requires_grad:
                    loss.backward()
                move.step()
        return losses

    def optimizer(self, state: State, **changes: Any) -> torch.optim.Optimizer:
        """The watched optimizer again, over a copy of the weights; of several the first.

        Args:
            state: The copies.
            changes: Options laid over each group, such as `lr`.
        """
        watched = self._moved[0].optimizer
        rates = self._moved[0].rates
        groups = []
        for group, rate in zip(watched.param_groups, rates):
            options = {name: value for name, value in group.items() if name not in ("params", "initial_lr")}
            members = [state[id(parameter)] for parameter in group["params"] if id(parameter) in state]
            groups.append({**options, "lr": rate, **changes, "params": members})
        kind: Any = type(watched)
        made: torch.optim.Optimizer = kind([group for group in groups if group["params"]])
        return made


def _score(batch: Backward) -> Score:
    assert batch.score is not None, "only recorded batches are rehearsed"
    return batch.score
