"""The recorded steps of a training, taken again from the same start with one thing changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from chainrule.analysis._replay import Action, Score, play
from chainrule.diagnosis.doctor import _clock
from chainrule.diagnosis.doctor._by_hand import HandRule, rule
from chainrule.diagnosis.doctor._events import Backward, Clipped, Made, Moved, Observation, owned_by

State = dict[int, Tensor]
"""Weights and buffers, by the id of the tensor that they stand for."""
Remake = Callable[[State], torch.optim.Optimizer]
Changed = tuple[Mapping[int, Action] | None, Mapping[int, Tensor] | None]
"""Operations and data of a batch in whose place something else stands."""
EXPLAINS = 0.9
"""Share of the changes that a rule must explain for steps by hand to be taken again by it."""


@dataclass(frozen=True)
class Turn:
    """What follows a recorded backward pass.

    Args:
        moves: The optimizers' steps that its gradients are for: those before the next backward pass, or, where the
            gradients of several passes are added up, after the last of them.
        clips: The clipping before these.
        last: Whether it is the last pass before the steps.
        inside: Whether it is a further evaluation within a step of an optimizer that takes a closure.
    """

    moves: tuple[Moved, ...] = ()
    clips: tuple[Clipped, ...] = ()
    last: bool = True
    inside: bool = False


@dataclass(frozen=True)
class Pace:
    """How the watched optimizers are set in a rehearsal.

    Args:
        scale: Of all rates.
        steady: The highest rate of the whole training from the first step on, not the rates as they were seen.
        clip: Whether gradients are clipped as they were.
        options: Laid over each group.
    """

    scale: float = 1.0
    steady: bool = False
    clip: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


AS_SEEN = Pace()


class Rehearsal:
    """Trains a copy of what was watched, on the batches that were recorded, as often as one likes.

    Python's control flow is not run again: each recorded batch goes through the operations that it went through.
    Optimizers, rates and clipping are those that were seen, several optimizers in their turns, gradients added up over
    several passes where that is what was done. They are cleared once they were used, whatever the watched training did.
    Steps that somebody wrote by hand are taken by the rate and momentum that explain them best.

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
        self._weights = {id(parameter) for parameter in seen.parameters().values()}
        self._moved: list[Moved] = seen.of(Moved)
        self._made: list[Made] = seen.of(Made)
        self.by_hand: HandRule | None = None if self._moved else rule(seen.by_hand)
        self.turns = _turns(seen)
        used = {
            id(value.tensor) for batch in self.batches for value in _score(batch).tape.values if value.operation is None
        }
        self.used = used & set(self._initial)

    @property
    def possible(self) -> bool:
        """Whether it is known how a step is taken."""
        if self._moved or self._made:
            return bool(self.batches)
        return bool(self.batches) and self.by_hand is not None and self.by_hand.fit >= EXPLAINS

    @cached_property
    def peaks(self) -> dict[int, tuple[float, ...]]:
        """The highest rate of each group in the whole training, by the id of the optimizer."""
        found: dict[int, tuple[float, ...]] = {}
        for moved in self._moved:
            before = found.get(id(moved.optimizer), moved.rates)
            found[id(moved.optimizer)] = tuple(max(pair) for pair in zip(before, moved.rates))
        return found

    def start(self) -> State:
        """A fresh copy of the first weights and buffers."""
        return self.fresh(self._initial)

    def fresh(self, state: Mapping[int, Tensor]) -> State:
        """A copy of weights and buffers to be trained; buffers get no gradient."""
        return {
            key: value.detach().clone().requires_grad_(key in self._weights and value.is_floating_point())
            for key, value in state.items()
        }

    def loss(
        self,
        batch: int,
        state: State,
        *,
        actions: Mapping[int, Action] | None = None,
        data: Mapping[int, Tensor] | None = None,
    ) -> Tensor:
        """The loss of a recorded batch with these weights; its buffers move as in training.

        Args:
            batch: Which one.
            state: The weights.
            actions: Operation -> what runs in its place.
            data: Value on its tape -> what stands in its place.
        """
        recorded = self.batches[batch]
        prepared = _score(recorded)
        assert recorded.output is not None
        given = {
            value.index: state[id(value.tensor)].detach() if value.kind == "buffer" else state[id(value.tensor)]
            for value in prepared.tape.values
            if value.operation is None and id(value.tensor) in state
        }
        earlier = {  # what an earlier pass has computed, whose graph is gone
            value.index: value.tensor.detach()
            for value in prepared.tape.values
            if value.operation is None and _has_graph(value.tensor) and value.index not in given
        }
        return play(prepared, {**earlier, **given, **(data or {})}, actions=actions)[recorded.output]

    def train(
        self,
        steps: int,
        *,
        batches: Sequence[int] | None = None,
        optimizer: Remake | None = None,
        pace: Pace = AS_SEEN,
        state: State | None = None,
        actions: Mapping[int, Mapping[int, Action]] | None = None,
        data: Mapping[int, Mapping[int, Tensor]] | None = None,
        seconds: float = math.inf,
        seed: int = 0,
    ) -> list[float]:
        """Go through backward passes and return the loss before each; ends early where it is not finite.

        Args:
            steps: How many passes; where gradients are added up, a step is taken after several.
            batches: The recorded batches that are gone through again and again, with a step after each; when left
                out all of them, with steps where they were.
            optimizer: Makes the optimizer from the state; the watched ones when left out.
            pace: How the watched ones are set.
            state: Where it begins, changed in place; the first weights when left out.
            actions: Batch -> operation -> what runs in its place.
            data: Batch -> value on its tape -> what stands in its place.
            seconds: It ends after so long, in this thread's own time: others may be busy beside it.
            seed: Of dropout and whatever else draws.
        """
        state = self.start() if state is None else state
        seen = [i for i, turn in enumerate(self.turns) if not turn.inside]
        chosen = seen if batches is None else list(batches)
        taken = _Steps(self, state, pace, optimizer(state) if optimizer else None)
        losses: list[float] = []
        begun = _clock.computed()
        with torch.random.fork_rng(), torch.enable_grad():
            torch.manual_seed(seed)
            fresh = True
            for step in range(steps):
                if _clock.computed() - begun > seconds:
                    break
                batch = chosen[step % len(chosen)]

                changed = ((actions or {}).get(batch), (data or {}).get(batch))

                def closure(batch: int = batch, changed: Changed = changed) -> Tensor:
                    _clear(state)
                    return self._backward(batch, state, changed)

                if fresh:
                    _clear(state)
                loss = self._backward(batch, state, changed)
                losses.append(float(loss))
                if not math.isfinite(losses[-1]):
                    break
                fresh = self.turns[batch].last or batches is not None
                if fresh:
                    taken.take(self.turns[batch], closure)
        return losses

    def _backward(self, batch: int, state: State, changed: Changed = (None, None)) -> Tensor:
        loss = self.loss(batch, state, actions=changed[0], data=changed[1]).sum()
        if loss.requires_grad and bool(torch.isfinite(loss.detach())):
            loss.backward()
        return loss.detach()

    def gradients(self, batch: int, state: State | None = None) -> dict[int, Tensor]:
        """The gradient of each weight that a recorded batch reaches, by the id of the tensor."""
        state = self.start() if state is None else state
        with torch.random.fork_rng(), torch.enable_grad():
            torch.manual_seed(0)
            _clear(state)
            self._backward(batch, state)
        return {key: tensor.grad for key, tensor in state.items() if tensor.grad is not None}

    def optimizer(self, state: State, **changes: Any) -> torch.optim.Optimizer:
        """The watched optimizer again, over a copy of the weights; of several the first.

        Args:
            state: The copies.
            changes: Options laid over each group, such as `lr`.
        """
        if self._moved:
            return self.copied(self._moved[0].optimizer, self._moved[0].rates, state, changes)
        if self._made:
            watched = self._made[0].optimizer
            return self.copied(watched, tuple(float(group["lr"]) for group in watched.param_groups), state, changes)
        found = self.by_hand or HandRule(0.0, 0.0, 0.0)
        rate = max(found.rate, 0.0)
        options = {"lr": rate, "momentum": min(max(found.momentum, 0.0), 1.0), **changes}
        members = [tensor for key, tensor in state.items() if key in self.used and tensor.requires_grad]
        return torch.optim.SGD(members, **options)

    def copied(
        self, watched: torch.optim.Optimizer, rates: Sequence[float], state: State, changes: Mapping[str, Any]
    ) -> torch.optim.Optimizer:
        """A watched optimizer again, over a copy of the weights; a group keeps its place (`place` in it)."""
        groups = []
        for place, (group, rate) in enumerate(zip(watched.param_groups, rates)):
            options = {name: value for name, value in group.items() if name not in ("params", "initial_lr")}
            known = {name: value for name, value in changes.items() if name in options}
            members = [state[id(parameter)] for parameter in group["params"] if id(parameter) in state]
            groups.append({**options, "lr": rate, **known, "params": members, "place": place})
        kind: Any = type(watched)
        made: torch.optim.Optimizer = kind([group for group in groups if group["params"]])
        return made


class _Steps:
    """The optimizers of a rehearsal, each copied when its first turn comes."""

    def __init__(self, rehearsal: Rehearsal, state: State, pace: Pace, remade: torch.optim.Optimizer | None) -> None:
        self._rehearsal, self._state, self._pace, self._remade = rehearsal, state, pace, remade
        self._copies: dict[int, torch.optim.Optimizer | None] = {}

    def take(self, turn: Turn, closure: Callable[[], Tensor]) -> None:
        """The steps that follow a pass."""
        for made, rates in self._of(turn):
            for group in made.param_groups if rates is not None else ():
                group["lr"] = (rates or ())[group["place"]] * self._pace.scale
            if self._pace.clip:
                _clip(turn.clips, owned_by(made))
            if isinstance(made, torch.optim.LBFGS):
                made.step(closure)
            else:
                made.step()

    def _of(self, turn: Turn) -> Iterator[tuple[torch.optim.Optimizer, tuple[float, ...] | None]]:
        if self._remade is not None:
            yield self._remade, None
            return
        if not turn.moves:
            if 0 not in self._copies:
                self._copies[0] = self._rehearsal.optimizer(self._state, **self._pace.options)
                for group in self._copies[0].param_groups:  # type: ignore[union-attr]
                    group["lr"] *= self._pace.scale
            yield self._copies[0], None  # type: ignore[misc]
        for moved in turn.moves:
            key = id(moved.optimizer)
            rates = self._rehearsal.peaks[key] if self._pace.steady else moved.rates
            if key not in self._copies:
                known = any(id(p) in self._state for p in owned_by(moved.optimizer))
                options = self._pace.options
                self._copies[key] = (
                    self._rehearsal.copied(moved.optimizer, rates, self._state, options) if known else None
                )
            copy = self._copies[key]
            if copy is not None:  # of another network's weights there is nothing to move
                yield copy, rates


def _turns(seen: Observation) -> list[Turn]:
    """What follows each recorded pass."""
    turns: list[Turn] = []
    moves: list[Moved] = []
    clips: list[Clipped] = []
    last = True
    for event in reversed(seen.events):
        if isinstance(event, Moved):
            if not last:
                moves, clips, last = [], [], True
            moves.insert(0, event)
        elif isinstance(event, Clipped):
            clips.insert(0, event)
        elif isinstance(event, Backward):
            within = any(event.at >= moved.begun > 0.0 for moved in moves)
            if event.score is not None:
                turns.append(Turn(tuple(moves), tuple(clips), last or not moves or within, within))
            last = False
    turns.reverse()
    for place, turn in enumerate(turns):  # of the evaluations within a step the first one stands for it
        if turn.inside and (place == 0 or turns[place - 1].moves != turn.moves):
            turns[place] = Turn(turn.moves, turn.clips, True, False)
    return turns


def _clip(clips: Sequence[Clipped], members: list[Tensor]) -> None:
    for clip in clips:
        if clip.by_value:
            torch.nn.utils.clip_grad_value_(members, clip.limit)
        else:
            torch.nn.utils.clip_grad_norm_(members, clip.limit)


def _has_graph(tensor: Tensor) -> bool:
    """Whether it was computed from weights; of a view whose base was changed since, torch refuses to say so."""
    try:
        return tensor.grad_fn is not None
    except RuntimeError:
        return False


def _clear(state: State) -> None:
    for tensor in state.values():
        tensor.grad = None


def _score(batch: Backward) -> Score:
    assert batch.score is not None, "only recorded batches are rehearsed"
    return batch.score
