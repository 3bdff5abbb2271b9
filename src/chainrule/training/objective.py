"""The objective of most tasks: sums of per-item values, each divided by its own global count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chainrule.data import Batch
from chainrule.data.feed import REPEATED
from chainrule.optim import At
from chainrule.runtime.rng import derive, seed_torch
from chainrule.training.task import Carry, Phase, TrainState, Turns, World


@dataclass(frozen=True)
class Separable:
    """Loss = sum over terms of weight * (global sum of values) / (global count).

    The counts come from the targets alone, so that each part's gradient can be taken, and its memory freed, before the
    next part is computed. Terms without a weight are only reported.

    Args:
        values: `(model, batch, at, carry) -> ({term: per-item values, 0 where ignored}, carry)`.
        count: `batch -> {term: number of items}`.
        weight: Term -> its weight at a place in the run.

    Source:
        LECTURES A6: full loss = mean data loss + lambda R(W).
    """

    values: Callable[[nn.Module, Batch, At, Carry], tuple[dict[str, Tensor], Carry]]
    count: Callable[[Batch], Mapping[str, float]]
    weight: Mapping[str, Callable[[At], float]]

    def gradients(
        self, state: TrainState, phase: Phase, parts: dict[int, Batch], at: At, world: World
    ) -> tuple[dict[str, Tensor], dict[int, Carry], Turns]:
        """Fill `.grad` and return the report, the carried state and the buffers in their turns."""
        counts: dict[str, float] = {}
        for part, batch in parts.items():
            for name, number in self.count(batch).items():
                counts[name] = counts.get(name, 0.0) + (0.0 if part == REPEATED else float(number))
        counts = world.sum(counts)
        sums: dict[str, Tensor] = {}
        carry: dict[int, Carry] = {}
        turns = _BufferTurns(state.model, parts=len(parts) * world.size)
        for part, batch in parts.items():
            turns.begin()
            seed_torch(derive(at.seed, "dropout", at.step, phase.name, part))
            values, after = self.values(state.model, batch, at, state.carry.get(part, {}))
            share = 0.0 if part == REPEATED else 1.0
            totals = {name: value.sum() * share for name, value in values.items()}
            weighted = [totals[name] * (weight(at) / max(counts[name], 1.0)) for name, weight in self.weight.items()]
            loss = sum(weighted[1:], weighted[0])
            (loss if state.scale == 1 else loss * state.scale).backward()
            for name, total in totals.items():
                sums[name] = sums[name] + total.detach() if name in sums else total.detach()
            turns.end(share * len(batch.index))
            if share:
                carry[part] = after
        world.sum_tensors(list(sums.values()))
        return {name: total / max(counts[name], 1.0) for name, total in sums.items()}, carry, turns

    def items(self, state: TrainState, phase: Phase, part: int, batch: Batch, at: At) -> dict[str, Tensor]:
        """Return the values of a part, as the step computed them, without gradients."""
        seed_torch(derive(at.seed, "dropout", at.step, phase.name, part))
        with torch.no_grad():
            return self.values(state.model, batch, at, state.carry.get(part, {}))[0]


class _BufferTurns:
    """Running statistics over the parts of one step: all start from the same ones; the weighted mean remains.

    With one part nothing is copied until somebody asks to restore, which needs `remember`.
    """

    def __init__(self, model: nn.Module, parts: int) -> None:
        self.buffers = [buffer for buffer in model.buffers() if buffer is not None]
        self.alone = parts == 1
        self.before = [buffer.clone() for buffer in self.buffers]
        self.sums: list[Tensor] = []
        self.weight = 0.0

    def begin(self) -> None:
        if not self.alone:
            self.restore()

    def end(self, weight: float) -> None:
        if self.alone:
            return
        self.weight += weight
        scaled = [b.double() * weight if b.is_floating_point() else b.clone() for b in self.buffers]
        self.sums = [
            s + new if new.is_floating_point() else torch.maximum(s, new) for s, new in zip(self.sums, scaled)
        ] or scaled

    def finish(self, world: World) -> None:
        if self.alone:
            return
        total = world.sum({"weight": self.weight})["weight"]
        world.sum_tensors([s for s in self.sums if s.is_floating_point()])
        _assign(self.buffers, [s / total if s.is_floating_point() else s for s in self.sums])

    def restore(self) -> None:
        _assign(self.buffers, self.before)


def _assign(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for tensor, value in zip(tensors, values):
            tensor.copy_(value)
