"""The recorded steps taken again with other data: other inputs, other targets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Batch, Case, output_of
from chainrule.diagnosis.doctor._rehearse import Pace, State
from chainrule.diagnosis.doctor.checks.data._facts import input_value

SECONDS = 1.2
"""How long one training on other data may compute: an experiment compares two or three. What waits for others on a busy
machine does not count, so that equally many steps are taken there."""


@dataclass(frozen=True)
class Again:
    """A training that was taken again: the loss before each step, and the weights after the last."""

    losses: list[float]
    state: State

    @property
    def broken(self) -> bool:
        """Whether it ended because the loss was no longer finite."""
        return not self.losses or not math.isfinite(self.losses[-1])


def compare(before: Again, after: Again, *, count: int = 12) -> tuple[float, float]:
    """The loss of two trainings after equally many steps: the mean of the last `count`; infinite where broken."""
    steps = min((len(run.losses) for run in (before, after) if not run.broken), default=0)
    first, second = (math.inf if run.broken else _tail(run.losses[:steps], count) for run in (before, after))
    return first, second


def _tail(losses: list[float], count: int) -> float:
    tail = losses[-count:]
    return sum(tail) / len(tail)


def again(
    case: Case,
    *,
    inputs: Mapping[int, Tensor] | None = None,
    targets: Mapping[int, Tensor] | None = None,
    steps: int = 120,
    seconds: float = SECONDS,
    seed: int = 0,
) -> Again:
    """Train from the first weights on the recorded batches, some data replaced.

    Args:
        case: What was watched.
        inputs: Batch -> what its network is given instead.
        targets: Batch -> what its answers are compared with instead.
        steps: The most steps.
        seconds: The most time.
        seed: Of dropout and whatever else draws.
    """
    state = case.rehearsal.start()
    replaced = {
        place: _changes(batch, (inputs or {}).get(place), (targets or {}).get(place))
        for place, batch in enumerate(case.batches)
    }
    losses = case.rehearsal.train(
        steps,
        batches=range(len(case.batches)),
        optimizer=lambda weights: _optimizer(case, weights),
        pace=Pace(clip=False),
        state=state,
        data=replaced,
        seconds=seconds,
        seed=seed,
    )
    return Again(losses, state)


def _changes(batch: Batch, inputs: Tensor | None, targets: Tensor | None) -> dict[int, Tensor]:
    changed: dict[int, Tensor] = {}
    place = input_value(batch)
    if inputs is not None and place is not None:
        changed[place] = inputs
    if targets is not None and batch.criterion is not None and batch.criterion.target is not None:
        changed[batch.criterion.target] = targets
    return changed


def _optimizer(case: Case, state: State) -> torch.optim.Optimizer:
    """The watched optimizer; a plain one where the loop has none, or one that needs the loss again and again."""
    if case.moves and not isinstance(case.moves[0].optimizer, torch.optim.LBFGS):
        return case.rehearsal.optimizer(state)
    return torch.optim.Adam([state[key] for key in case.rehearsal.used if state[key].requires_grad], lr=2e-3)


@torch.no_grad()
def answers(module: nn.Module, inputs: Tensor) -> Tensor | None:
    """What a network in evaluation mode says to inputs; None where it cannot."""
    try:
        return output_of(module(inputs))
    except (RuntimeError, TypeError, ValueError, IndexError):
        return None


def score(answer: Tensor | None, targets: Tensor | None) -> float | None:
    """How good answers are: accuracy of classes, or share of variance explained; None where it cannot be told.

    Args:
        answer: What a network returned, (N, K), (N, 1) or (N,).
        targets: Classes (N,), or numbers.
    """
    if answer is None or targets is None or len(answer) != len(targets) or not answer.is_floating_point():
        return None
    if not targets.is_floating_point() and answer.ndim == 2 and answer.shape[1] > 1 and targets.ndim == 1:
        return float((answer.argmax(1) == targets).double().mean())
    flat, wanted = answer.reshape(len(answer), -1).double(), targets.reshape(len(targets), -1).double()
    if flat.shape != wanted.shape:
        return None
    if bool(((wanted == 0) | (wanted == 1)).all()):
        threshold = 0.5 if float(flat.min()) >= 0 and float(flat.max()) <= 1 else 0.0
        return float(((flat > threshold) == (wanted > 0.5)).double().mean())
    rest = (flat - wanted).square().sum() / (wanted - wanted.mean(0)).square().sum().clamp_min(1e-12)
    return 1 - float(rest)
