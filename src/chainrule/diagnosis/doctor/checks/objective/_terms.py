"""The terms that a loss is the sum of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from chainrule.analysis._replay import Action, play
from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Batch
from chainrule.diagnosis.doctor._criteria import upstream
from chainrule.diagnosis.doctor._rehearse import State
from chainrule.diagnosis.doctor.checks.objective._comparisons import leaves, plain_name

Role = Literal["task", "penalty", "divergence"]
_LINEAR = frozenset(
    {
        "mean",
        "sum",
        "neg",
        "squeeze",
        "view",
        "reshape",
        "flatten",
        "float",
        "double",
        "*",
        "/",
        "mul",
        "div",
        "nanmean",
        "nansum",
    }
)
"""Operations through which a sum of terms stays one."""
_JOINS = frozenset({"stack", "cat"})


@dataclass(frozen=True)
class Term:
    """One of them.

    Args:
        value: Its value on the tape, before it is weighted.
        operation: What makes it.
        role: "task" compares with data, "penalty" is of weights alone, "divergence" of what the network gives alone.
    """

    value: int
    operation: Operation
    role: Role


def terms(batch: Batch) -> list[Term]:
    """The terms of a recorded loss, in the order in which they are written; one alone where it is no sum."""
    made = {index: o for o in batch.tape.operations for index in o.results}
    found: list[int] = []
    _split(batch, made, batch.loss, found)
    return [Term(index, made[index], _role(batch, index)) for index in dict.fromkeys(found) if index in made]


def _split(batch: Batch, made: Mapping[int, Operation], value: int, found: list[int]) -> None:
    operation = made.get(value)
    if operation is None:
        return
    learned = [index for index in operation.inputs if index in batch.learned and index not in batch.outputs]
    name = plain_name(operation)
    together = name in ("+", "-", *_JOINS) and len(operation.inputs) > 1
    if together and learned and _is_total(batch, operation):
        for index in dict.fromkeys(learned):
            _split(batch, made, index, found)
    elif (name in _LINEAR or name in ("+", "-")) and len(learned) == 1 and _leads_to_sum(batch, made, learned[0]):
        _split(batch, made, learned[0], found)
    else:
        found.append(value)


def _is_total(batch: Batch, operation: Operation) -> bool:
    """Whether what is added up are losses, of the batch or of its examples, not what they are made of."""
    shapes = [batch.tape.values[index].shape for index in operation.inputs if index in batch.learned]
    return all(len(shape) <= 1 for shape in shapes)


def _leads_to_sum(batch: Batch, made: Mapping[int, Operation], value: int) -> bool:
    """Whether there are several terms behind operations that leave sums what they are."""
    operation = made.get(value)
    while operation is not None:
        learned = [index for index in operation.inputs if index in batch.learned and index not in batch.outputs]
        name = plain_name(operation)
        if name in ("+", "-", *_JOINS) and len(set(learned)) > 1:
            return _is_total(batch, operation)
        if name not in _LINEAR | {"+", "-"} or len(learned) != 1:
            return False
        operation = made.get(learned[0])
    return False


def _role(batch: Batch, value: int) -> Role:
    behind = upstream(batch.tape, value, stop=batch.outputs)
    reached = {index for operation in behind for index in operation.inputs} | {value}
    if any(criterion.operation in behind for criterion in batch.criteria):
        return "task"
    data = [
        index
        for index in reached
        if index not in batch.learned
        and batch.tape.values[index].operation is None
        and batch.tape.values[index].shape
        and batch.tape.values[index].kind not in ("parameter", "buffer")
    ]
    if data:
        return "task"
    return "divergence" if reached & batch.outputs else "penalty"


def strengths(batch: Batch, state: State, found: list[Term]) -> tuple[list[float], list[float]]:
    """Value of each term as it is weighted, and norm of its gradient at the weights that all terms with data share."""
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(0)
        known = play(batch.score, leaves(batch, state))
        loss = known[batch.loss].sum()
        weights = [tensor for tensor in state.values() if tensor.requires_grad]
        values = [known[term.value] for term in found]
        factors = torch.autograd.grad(loss, values, retain_graph=True, allow_unused=True)
        parts: list[tuple[Tensor | None, ...]] = []
        for value, factor in zip(values, factors):
            given = torch.zeros_like(value) if factor is None else factor
            if not value.requires_grad:
                parts.append((None,) * len(weights))
                continue
            parts.append(torch.autograd.grad(value, weights, given, retain_graph=True, allow_unused=True))
    shared = [i for i in range(len(weights)) if all(part[i] is not None for part in parts)]
    norms = [_norm([part[i] for i in shared] if shared else list(part)) for part in parts]
    sizes = [
        float((value.detach() * (0.0 if factor is None else factor)).sum()) for value, factor in zip(values, factors)
    ]
    return sizes, norms


def _norm(tensors: list[Tensor | None]) -> float:
    return float(sum(float(t.double().square().sum()) for t in tensors if t is not None)) ** 0.5


def without(batches: list[Batch], place: int) -> dict[int, dict[int, Action]]:
    """The term at a place of each recorded step times zero."""
    found: dict[int, dict[int, Action]] = {}
    for index, batch in enumerate(batches):
        own = terms(batch)
        if place < len(own):
            found[index] = {own[place].operation.index: _zeroed(own[place].operation)}
    return found


def _zeroed(operation: Operation) -> Action:
    def run(*arguments: Any, **options: Any) -> Any:
        answer = operation.target(*arguments, **options)
        return answer * 0.0

    return run


def trainable(final: State, start: State) -> State:
    """Weights that may be trained on."""
    return {key: value.clone().requires_grad_(start[key].requires_grad) for key, value in final.items() if key in start}
