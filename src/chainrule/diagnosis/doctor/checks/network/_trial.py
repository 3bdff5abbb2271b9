"""A few steps taken again in two ways, and which went better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from chainrule.analysis._replay import Action
from chainrule.diagnosis.doctor import _clock
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import owned_by
from chainrule.diagnosis.doctor._rehearse import State

STEPS = 60
"""Steps of a trial: enough for a small network to leave its first loss by far, where it can."""
SECONDS = 2.5
"""How long one trial may take, in time of the processor."""


@dataclass(frozen=True)
class Trial:
    """The losses of a few steps, and the loss of whoever knows nothing of the inputs (infinite where unknown)."""

    losses: tuple[float, ...]
    ignorant: float = math.inf

    @property
    def first(self) -> float:
        """The loss at the start: of the first few batches."""
        return _mean(self.losses[: max(1, len(self.losses) // 12)])

    @property
    def last(self) -> float:
        """The loss at the end; infinite where it ended in nothing."""
        return _mean(self.losses[-max(1, len(self.losses) // 6) :])

    @property
    def gain(self) -> float:
        """By which share the loss fell below its first value, or below that of whoever knows nothing of the inputs."""
        start = min(self.first, self.ignorant)
        return (start - self.last) / abs(start) if start and math.isfinite(start) else 0.0

    def words(self) -> str:
        """In words."""
        return f"loss {self.first:.4g} -> {self.last:.4g} in {len(self.losses)} steps"


def _mean(losses: tuple[float, ...]) -> float:
    return sum(losses) / len(losses) if losses and all(map(math.isfinite, losses)) else math.inf


def can_try(case: Case) -> bool:
    """Whether the recorded steps can be taken again."""
    return bool(case.batches) and bool(case.rehearsal.used)


def trial(
    case: Case,
    *,
    state: State | None = None,
    actions: Mapping[int, Mapping[int, Action]] | None = None,
    steps: int = STEPS,
    rate: float | None = None,
) -> Trial:
    """Take the recorded steps again.

    Args:
        case: The training.
        state: Where it begins.
        actions: Batch -> operation -> what runs in its place.
        steps: At most so many; fewer where they are slow.
        rate: Takes them by Adam at this rate, not by the watched optimizer.
    """
    rehearsal = case.rehearsal
    chosen = [i for i in range(len(case.batches)) if actions is None or i in actions]
    each = 4 * min(_seconds(case, chosen[0]) for _ in range(2))
    steps = max(3, min(steps, int(min(SECONDS, case.left / 3) / max(each, 1e-4))))
    optimizer = _adam(rate) if rate is not None or not _usable(case) else None
    losses = rehearsal.train(steps, batches=chosen, state=state, actions=actions, optimizer=optimizer)
    return Trial(tuple(losses), ignorant(case))


def ignorant(case: Case) -> float:
    """The loss of the best answer that is the same for every input; infinite where it cannot be said."""
    batch = case.batches[0]
    criterion, targets = batch.criterion, batch.targets
    if criterion is None or targets is None or len(batch.criteria) > 1:
        return math.inf
    if criterion.options.get("reduction", "mean") != "mean" or not targets.numel():
        return math.inf
    shape = batch.tape.values[criterion.prediction].shape
    if criterion.kind in ("cross entropy", "negative log likelihood") and len(shape) > 1:
        return math.log(shape[1]) if shape[1] > 1 else math.inf
    if criterion.kind.startswith("binary"):
        return math.log(2)
    return float(targets.double().var(correction=0)) if criterion.kind == "squared error" else math.inf


def _seconds(case: Case, batch: int) -> float:
    """How long a forward pass takes, of this process's own time: others may be busy beside it."""
    begun = _clock.computed()
    with torch.no_grad():
        case.rehearsal.loss(batch, case.rehearsal.start())
    return _clock.computed() - begun


def _usable(case: Case) -> bool:
    if not case.moves or isinstance(case.moves[0].optimizer, torch.optim.LBFGS):
        return False
    held = {id(p) for p in owned_by(case.moves[0].optimizer)}
    return bool(held & case.rehearsal.used)


def _adam(rate: float | None) -> Callable[[State], torch.optim.Optimizer]:
    return lambda state: torch.optim.Adam([t for t in state.values() if t.requires_grad], lr=rate or 3e-3)
