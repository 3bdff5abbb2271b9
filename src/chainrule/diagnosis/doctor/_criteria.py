"""Where a training compares what the network gives with what it should give: the criteria on the way to the loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chainrule.analysis._tape import Operation, Ref, Tape

NAMED = {
    "cross_entropy": "cross entropy",
    "nll_loss": "negative log likelihood",
    "nll_loss_nd": "negative log likelihood",
    "binary_cross_entropy": "binary cross entropy",
    "binary_cross_entropy_with_logits": "binary cross entropy with logits",
    "mse_loss": "squared error",
    "l1_loss": "absolute error",
    "smooth_l1_loss": "absolute error",
    "huber_loss": "absolute error",
    "kl_div": "divergence",
    "poisson_nll_loss": "Poisson likelihood",
    "gaussian_nll_loss": "normal likelihood",
    "multi_margin_loss": "margin",
    "multilabel_margin_loss": "margin",
    "multilabel_soft_margin_loss": "margin",
    "soft_margin_loss": "margin",
    "hinge_embedding_loss": "margin",
}
"""Functions of torch's that compare, and what they are."""
_POSITIONS = {
    "cross_entropy": ("input", "target", "weight", "size_average", "ignore_index", "reduce", "reduction"),
    "nll_loss": ("input", "target", "weight", "size_average", "ignore_index", "reduce", "reduction"),
    "binary_cross_entropy": ("input", "target", "weight", "size_average", "reduce", "reduction"),
}


@dataclass(frozen=True)
class Criterion:
    """One comparison.

    Args:
        kind: What it is, as `NAMED` has it; "own" where somebody wrote it out.
        operation: What compares; of an own one the first operation in which prediction and target meet.
        prediction: Value on the tape that depends on weights.
        target: Value that does not; None where there is none.
        options: What else it was given by name, such as `reduction`, `ignore_index`, `weight` (`Ref`s for tensors).
    """

    kind: str
    operation: Operation
    prediction: int
    target: int | None
    options: Mapping[str, Any] = field(default_factory=dict)


def learned_values(tape: Tape, parameters: set[int]) -> set[int]:
    """The values that depend on parameters; `parameters` are ids of tensors."""
    found = {value.index for value in tape.values if value.operation is None and id(value.tensor) in parameters}
    for operation in tape.operations:
        if found.intersection(operation.inputs):
            found.update(operation.results)
            found.update(operation.changed)
    return found


def upstream(tape: Tape, value: int, *, stop: frozenset[int] = frozenset()) -> list[Operation]:
    """The operations that a value was made by, the last first; not those behind the values in `stop`."""
    wanted, found = {value}, []
    for operation in reversed(tape.operations):
        if wanted.intersection((*operation.results, *operation.changed)):
            found.append(operation)
            wanted.update(set(operation.inputs) - stop)
    return found


def find_criteria(tape: Tape, loss: int, parameters: set[int], outputs: frozenset[int]) -> list[Criterion]:
    """Return the comparisons that lead to the loss, in the order in which they were computed.

    Args:
        tape: A recorded step.
        loss: The loss on it.
        parameters: Ids of the parameters.
        outputs: What networks returned: what is behind them is the network's own.
    """
    learned = learned_values(tape, parameters)
    way = list(reversed(upstream(tape, loss, stop=outputs)))
    named = [found for operation in way if (found := _named(operation, learned)) is not None]
    met = [found for operation in way if (found := _meeting(tape, operation, learned)) is not None]
    return named or (met[:1] if outputs else met[-1:])  # without a network, inputs meet weights before


def _named(operation: Operation, learned: set[int]) -> Criterion | None:
    if operation.function not in NAMED:
        return None
    names = _POSITIONS.get(operation.function, ("input", "target"))
    given = {**dict(zip(names, operation.arguments)), **operation.options}
    prediction, target = given.pop("input", None), given.pop("target", None)
    if not isinstance(prediction, Ref):
        return None
    if prediction.value not in learned and isinstance(target, Ref) and target.value in learned:
        prediction, target = target, prediction  # somebody exchanged them
    place = target.value if isinstance(target, Ref) else None
    return Criterion(NAMED[operation.function], operation, prediction.value, place, given)


def _meeting(tape: Tape, operation: Operation, learned: set[int]) -> Criterion | None:
    """Where a tensor of data meets what depends on weights, outside of the network."""
    inside = [index for index in operation.inputs if index in learned]
    data = [
        index
        for index in operation.inputs
        if index not in learned and tape.values[index].kind != "buffer" and tape.values[index].shape
    ]
    if not inside or not data:
        return None
    return Criterion("own", operation, inside[0], data[0])
