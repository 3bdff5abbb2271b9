"""Memory: of one answer, the most that is needed at once; of training, what is kept until the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from chainrule.analysis._tape import Tape
from chainrule.analysis.design.kernels import Cost
from chainrule.core.errors import UsageError, unknown

OPTIMIZER_STATES = {
    "sgd": 0, "momentum": 1, "nesterov": 1, "adagrad": 1, "rmsprop": 1, "adam": 2, "adamw": 2, "muon": 1,
}  # fmt: skip
"""Numbers that an optimizer remembers for each parameter it moves."""


@dataclass(frozen=True)
class Memory:
    """In bytes, for the batch that was given.

    Args:
        weights: Parameters and buffers.
        kept: What training keeps for the backward pass.
        gradients: Of all parameters that are trained.
        state: What the optimizer remembers.
        optimizer: Which.
        peak: The most that an answer needs at once beside the weights, the input included.
        peak_at: The operation at which it does, as the index on the tape; None of an empty network.
    """

    weights: int
    kept: int
    gradients: int
    state: int
    optimizer: str
    peak: int
    peak_at: int | None

    @property
    def training(self) -> int:
        """What training holds when the way back begins."""
        return self.weights + self.kept + self.gradients + self.state

    @property
    def inference(self) -> int:
        """What an answer needs."""
        return self.weights + self.peak

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        training = {
            "weights": self.weights,
            "kept_for_backward": self.kept,
            "gradients": self.gradients,
            "optimizer_state": self.state,
            "optimizer": self.optimizer,
            "total": self.training,
        }
        return {
            "training": training,
            "inference": {"weights": self.weights, "peak_of_activations": self.peak, "total": self.inference},
        }


def memory_of(network: nn.Module, tape: Tape, costs: Sequence[Cost], kept: int, optimizer: str) -> Memory:
    """Add up what training holds, and find the most that an answer needs.

    Raises:
        UsageError: There is no such optimizer.
    """
    if optimizer not in OPTIMIZER_STATES:
        raise UsageError(
            f'there is no optimizer "{optimizer}" to count for',
            remedy=unknown("optimizer", optimizer, OPTIMIZER_STATES),
        )
    parameters = list(network.parameters())
    weights = sum(t.numel() * t.element_size() for t in (*parameters, *network.buffers()))
    trained = sum(p.numel() * p.element_size() for p in parameters if p.requires_grad)
    peak, where = peak_of_live(tape, costs)
    return Memory(weights, kept, trained, OPTIMIZER_STATES[optimizer] * trained, optimizer, peak, where)


def peak_of_live(tape: Tape, costs: Sequence[Cost]) -> tuple[int, int | None]:
    """The most bytes alive at once, and the operation at which they are.

    A tensor lives from the operation that makes it to the last one that reads or changes its memory, views included;
    inputs and what is returned live throughout, parameters and buffers are not counted. An operation also holds what
    its kernels make on the way.
    """
    storage = [value.tensor.untyped_storage()._cdata for value in tape.values]
    sizes = {key: value.tensor.untyped_storage().nbytes() for key, value in zip(storage, tape.values)}
    fixed = {key for key, value in zip(storage, tape.values) if value.kind in ("parameter", "buffer")}
    given = {key for key, value in zip(storage, tape.values) if value.kind in ("input", "constant")} - fixed
    born: dict[int, int] = {}
    dies: dict[int, int] = {}
    last = len(tape.operations)
    for operation in tape.operations:
        for index in (*operation.results, *operation.changed):
            born.setdefault(storage[index], operation.index)
        for index in (*operation.inputs, *operation.results, *operation.changed):
            dies[storage[index]] = operation.index
    for index in tape.outputs:
        dies[storage[index]] = last
    live = base = sum(sizes[key] for key in given)
    ends: dict[int, list[int]] = {}
    starts: dict[int, list[int]] = {}
    for key, begin in born.items():
        if key not in fixed and key not in given:
            starts.setdefault(begin, []).append(key)
            ends.setdefault(dies[key], []).append(key)
    peak, where = base, None
    for operation in tape.operations:
        i = operation.index
        new = sum(sizes[key] for key in starts.get(i, ()))
        at_once = live + max(new, costs[i].scratch)
        if at_once > peak:
            peak, where = at_once, i
        live += new - sum(sizes[key] for key in ends.get(i, ()))
    return peak, where
