"""The facts that the checks of the objective stand on: what is compared with what, and what was done to the scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from chainrule.analysis._replay import Action, play
from chainrule.analysis._tape import Operation, Ref
from chainrule.diagnosis.doctor import _clock
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._criteria import Criterion
from chainrule.diagnosis.doctor._rehearse import State

LOOKED = 4
"""Recorded steps that a look plays again: the first ones, enough to see every class of a small task."""
_SAME = frozenset(
    [
        "view",
        "reshape",
        "squeeze",
        "unsqueeze",
        "flatten",
        "unflatten",
        "permute",
        "transpose",
        "t",
        "T",
        "mT",
        "contiguous",
        "index",
        "select",
        "narrow",
        "float",
        "double",
        "half",
        "bfloat16",
        "to",
        "type",
        "type_as",
        "view_as",
        "reshape_as",
        "expand",
        "expand_as",
        "movedim",
        "moveaxis",
        "swapaxes",
        "swapdims",
        "clone",
        "stack",
        "cat",
        "concat",
        "concatenate",
        "chunk",
        "split",
        "unbind",
        "index_select",
        "masked_select",
        "hstack",
        "vstack",
        "detach",
        "adjoint",
        "identity",
    ]
)
"""Functions that move numbers, and leave them what they are."""
_ELEMENTWISE = frozenset(
    [
        "*",
        "/",
        "+",
        "-",
        "**",
        "neg",
        "log",
        "exp",
        "sqrt",
        "square",
        "abs",
        "clamp",
        "clip",
        "sigmoid",
        "tanh",
        "softmax",
        "log_softmax",
    ]
)
SOFTMAX = frozenset({"softmax", "log_softmax", "softmin"})
RECTIFIERS = frozenset({"relu", "relu6", "threshold"})
SQUASHERS = frozenset({"sigmoid", "tanh", "hardtanh", "hardsigmoid", "softsign"})
PLAIN = ("squared error", "absolute error")
CLASSES = ("cross entropy", "negative log likelihood")
BINARY = ("binary cross entropy", "binary cross entropy with logits")


@dataclass(frozen=True)
class Comparison:
    """A prediction and its target, in one recorded step.

    Args:
        batch: The step.
        criterion: What compares them.
        values: All values of the step, with the first weights.
    """

    batch: Batch
    criterion: Criterion
    values: Mapping[int, Tensor] = field(repr=False)

    @property
    def kind(self) -> str:
        """What the criterion is."""
        return self.criterion.kind

    @property
    def prediction(self) -> Tensor:
        """What the criterion was given."""
        return self.values[self.criterion.prediction]

    @property
    def target(self) -> Tensor | None:
        """What it is compared with."""
        return None if self.criterion.target is None else self.values.get(self.criterion.target)

    @property
    def classes(self) -> int:
        """The axis of the classes in the prediction."""
        return 1 if self.kind in CLASSES and self.prediction.ndim > 1 else -1

    def where(self, case: Case, operation: Operation | None = None) -> str:
        """The line of an operation, of the criterion when left out."""
        return place(case, self.batch, operation or self.criterion.operation)


def place(case: Case, batch: Batch, operation: Operation) -> str:
    """The line of an operation, else its layer."""
    return case.place(batch.line(operation)) or operation.module


_KEPT: WeakKeyDictionary[Case, list[Comparison]] = WeakKeyDictionary()


def comparisons(case: Case) -> list[Comparison]:
    """The comparisons of the first recorded steps, those of one step after each other."""
    if case not in _KEPT:
        found = []
        for batch in [batch for batch in case.batches if batch.criteria][:LOOKED]:
            values = batch.played(case.rehearsal.start())
            found += [
                Comparison(batch, criterion, values) for criterion in batch.criteria if criterion.prediction in values
            ]
        _KEPT[case] = found
    return _KEPT[case]


def plain_name(operation: Operation) -> str:
    """Its name, the same whether it works in place or not."""
    return operation.function.removesuffix("_")


def changes(batch: Batch, value: int, *, most: int = 6) -> list[Operation]:
    """What was last done to the numbers of a value, the last first: up to what mixes them, a layer or a product.

    Operations that only move numbers are passed over.
    """
    found: list[Operation] = []
    made = {index: o for o in batch.tape.operations for index in (*o.results, *o.changed)}
    while len(found) < most:
        operation = made.get(value)
        if operation is None or not operation.inputs:
            break
        if plain_name(operation) not in _SAME:
            found.append(operation)
            if plain_name(operation) not in _ELEMENTWISE | RECTIFIERS | SQUASHERS | SOFTMAX:
                break
        learned = [index for index in operation.inputs if index in batch.learned]
        if not learned:
            break
        value = learned[0]
    return found


def moves(batch: Batch, value: int) -> list[Operation]:
    """What only moved the numbers between a value and what computed them, the last first."""
    found: list[Operation] = []
    made = {index: o for o in batch.tape.operations for index in (*o.results, *o.changed)}
    while (operation := made.get(value)) is not None and plain_name(operation) in _SAME and operation.inputs:
        found.append(operation)
        value = operation.inputs[0]
    return found


def first_input(operation: Operation) -> int:
    """The first value that goes in."""
    return operation.inputs[0]


def axis_of(operation: Operation, dimensions: int) -> int:
    """The axis of a softmax, from 0 on; torch's own choice where none was given."""
    given = operation.options.get("dim", operation.arguments[1] if len(operation.arguments) > 1 else None)
    if not isinstance(given, int):
        return 0 if dimensions in (0, 1, 3) else 1
    return given % max(dimensions, 1)


def sums_to_one(tensor: Tensor, axis: int) -> bool:
    """Whether the numbers are probabilities along an axis: none negative, their sum one, and several of them."""
    if not tensor.is_floating_point() or not tensor.ndim or tensor.shape[axis] < 2 or not tensor.numel():
        return False
    total = tensor.detach().double().sum(axis)
    return bool((tensor >= 0).all()) and bool(((total - 1).abs() < 1e-3).all())


def positions(operation: Operation) -> list[int]:
    """The values in its positional arguments, in order."""
    return [argument.value for argument in operation.arguments if isinstance(argument, Ref)]


def gradients(batch: Batch, state: State, wanted: list[int]) -> dict[int, Tensor]:
    """The gradient of the loss at values of the step; those that it does not reach are left out."""
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(0)
        known = play(batch.score, leaves(batch, state))
        loss = known[batch.loss].sum()
        reached = [index for index in wanted if index in known and known[index].requires_grad]
        if not reached or not loss.requires_grad:
            return {}
        found = torch.autograd.grad(loss, [known[index] for index in reached], allow_unused=True)
    return {index: tensor.detach() for index, tensor in zip(reached, found) if tensor is not None}


def leaves(batch: Batch, state: State) -> dict[int, Tensor]:
    """What stands for the weights and buffers of a step when it is played with a state."""
    return {
        value.index: state[id(value.tensor)].detach() if value.kind == "buffer" else state[id(value.tensor)]
        for value in batch.tape.values
        if value.operation is None and id(value.tensor) in state
    }


def everywhere(case: Case, action: Action, batch: Batch, operation: Operation) -> dict[int, dict[int, Action]]:
    """The same action for the operations of all recorded steps that were written in the same line and module."""
    line = batch.line(operation)
    return {
        index: {
            o.index: action
            for o in other.tape.operations
            if o.function == operation.function and o.module == operation.module and other.line(o) == line
        }
        for index, other in enumerate(case.batches)
    }


def affordable(case: Case, most: int, *, seconds: float = 1.5) -> int:
    """How many steps may be taken in the time, judged by the first one; at least two, where there are so many."""
    begun = _clock.computed()
    case.rehearsal.train(1)
    return max(min(most, 2), min(most, int(seconds / max(_clock.computed() - begun, 1e-4))))


def tail(losses: list[float], share: float = 0.2) -> float:
    """The mean of the last losses: what a short training has come to."""
    last = losses[-max(1, round(len(losses) * share)) :]
    return sum(last) / len(last) if last else float("nan")
