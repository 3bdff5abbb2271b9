"""Where numbers that are not finite came from: the weights, the inputs of an example, or the first layer with one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from chainrule.core.errors import NonFiniteError
from chainrule.data import Batch
from chainrule.data.feed import REPEATED
from chainrule.optim import At
from chainrule.runtime.laid_out import local
from chainrule.runtime.world import World
from chainrule.training.task import Phase, TrainState

SHOWN = 5
"""How many examples are named."""
LAST = 4
"""The place of the gradients among what is computed in a step."""


def cause_of(phase: Phase, state: TrainState, parts: Mapping[int, Batch], at: At, world: World) -> str:
    """Compute a step's values once more and say where they first are not finite, and for which examples.

    It is looked for where it would come first: in the weights, in the inputs, in the outputs of the layers in the order
    in which they are computed, in the values that the loss is summed from; and where all of these are finite, in the
    gradients.

    Args:
        phase: Whose step it is.
        state: As it was in the step, its gradients included.
        parts: What the step was computed from.
        at: Where in the run.
        world: The processes that share the step; all of them call this, and what came first is told.
    """
    return min(world.gather(_cause(phase, state, parts, at)))[1]


def _cause(phase: Phase, state: TrainState, parts: Mapping[int, Batch], at: At) -> tuple[int, str]:
    """How early it comes, and the words for it."""
    if (name := first_not_finite(dict(state.model.named_parameters()))) is not None:
        return 0, f"as the weights {name} are not finite already"
    found: list[tuple[int, str]] = []
    for part, batch in parts.items():
        with _first_layer(state.model) as layers:
            values = phase.objective.items(state, phase, part, batch, at)
        if part != REPEATED:
            found.append(_in_part(batch, values, layers))
    if found and min(found)[0] < LAST:
        return min(found)
    gradients = {name: p.grad for name, p in state.model.named_parameters() if p.grad is not None}
    if (name := first_not_finite(gradients)) is not None:
        return LAST, f"first in the gradient of {name}"
    return LAST + 1, "in the sum of finite numbers"


def _in_part(batch: Batch, values: Mapping[str, Tensor], layers: list[str]) -> tuple[int, str]:
    if (bad := _bad_inputs(batch)) is not None:
        return 1, f"as the inputs of {_named(batch.index[bad])} are not finite"
    rows = _bad_rows(values, len(batch.index))
    examples = f" for {_named(batch.index[rows])}" if rows is not None else ""
    if layers:
        return 2, f"first in the outputs of {layers[0]}{examples}"
    for name, value in values.items():
        if not bool(value.isfinite().all()):
            return 3, f"first in the {name}{examples}"
    return LAST, ""


def require_finite(tensors: Mapping[str, Tensor], step: int, world: World) -> None:
    """Refuse to keep a state that holds numbers which are not finite.

    Raises:
        NonFiniteError: A tensor, which is named, holds some; nothing was written.
    """
    names = [name for name in world.gather(first_not_finite(tensors)) if name is not None]
    if names:
        raise NonFiniteError(
            f"after step {step} {names[0]} holds numbers that are not finite; the state was not saved",
            remedy="lower --optim.lr; `chainrule resume` goes on from the checkpoint before",
        )


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor that holds a NaN or an infinity; of one laid out, in this process's part.

    Example:
        >>> import torch
        >>> first_not_finite({"a": torch.ones(2), "b": torch.tensor([1.0, float("nan")])})
        'b'
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(local(tensor).isfinite().all()):
            return name
    return None


@contextmanager
def _first_layer(model: nn.Module) -> Iterator[list[str]]:
    """The layers that gave numbers which are not finite for inputs which are, in the order of their calls."""
    found: list[str] = []

    def hook(name: str, kind: str) -> Any:
        def watch(_: nn.Module, inputs: Any, output: Any) -> None:
            if not _all_finite(output) and _all_finite(inputs):
                found.append(f"{name or 'the network'} ({kind})")

        return watch

    handles = [m.register_forward_hook(hook(name, type(m).__name__)) for name, m in model.named_modules()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _tensors(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _tensors(inner)


def _all_finite(value: Any) -> bool:
    return all(bool(t.isfinite().all()) for t in _tensors(value) if t.is_floating_point())


def _bad_inputs(batch: Batch) -> Tensor | None:
    """Positions of the examples whose inputs are not finite."""
    for tensor in _tensors(batch.inputs):
        if tensor.is_floating_point() and tensor.dim() and len(tensor) == len(batch.index):
            rows = ~tensor.isfinite().flatten(1).all(1) if tensor.dim() > 1 else ~tensor.isfinite()
            if bool(rows.any()):
                return rows.nonzero().flatten()
    return None


def _bad_rows(values: Mapping[str, Tensor], count: int) -> Tensor | None:
    """Positions of the examples with values that are not finite, where there is a fixed number of values an example."""
    for value in values.values():
        if value.dim() and value.numel() % count == 0 and value.numel() >= count:
            rows = ~value.reshape(count, -1).isfinite().all(1)
            if bool(rows.any()) and not bool(rows.all()):
                return rows.nonzero().flatten()
    return None


def _named(index: Tensor) -> str:
    numbers = index.tolist()
    shown = ", ".join(map(str, numbers[:SHOWN])) + (f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else "")
    return f"training example{'s' if len(numbers) > 1 else ''} {shown}"
