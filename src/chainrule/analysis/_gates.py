"""What the recurrent layers of a network do at every step: gates, states, and the gradients that come back to them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.analysis._as_it_was import as_it_was
from chainrule.core.errors import UsageError
from chainrule.nn.recurrent import StepForm, unroll
from chainrule.nn.recurrent._steps import Step
from chainrule.nn.recurrent._unroll import state_of

AXES: Final = ("time", "sequence", "unit")
"""What the axes of a recorded gate or state count; those of the norm of a gradient are the first two."""
CELLS: Final = {"RNN_TANH": "rnn", "RNN_RELU": "rnn", "LSTM": "lstm", "GRU": "gru"}
GONE: Final = 1e-3
"""Of a gradient below this share of what it began with nothing is left that learning would notice."""


@dataclass(frozen=True)
class LayerRecord:
    """One layer in one direction, at every step; the axes are `AXES`.

    Args:
        name: Which module of the network, and which of its layers.
        cell: rnn, lstm or gru.
        depth: Which layer of the module, from 0.
        backward: Whether it reads from the end.
        values: By name, gates first: i, f, o, g, c, h of an LSTM; z, r, n, h of a GRU; h of an RNN. (T, N, H).
        gradients: By name of a state, h and an LSTM's c: the norm of the chosen output's gradient, over all ways that
            lead from the state to the output. (T, N). Empty where no output was chosen.
    """

    name: str
    cell: str
    depth: int
    backward: bool
    values: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]


def record_gates(
    network: nn.Module, *inputs: Any, output: Callable[[Any], Tensor] | None = None, **options: Any
) -> list[LayerRecord]:
    """Call a network once and return what each of its recurrent layers did at every step.

    The network's fused layers take one step after the other for this call, with their own weights; nothing of the
    network changes. A layer that is called several times (a decoder that writes token by token) goes on in time.

    Args:
        network: Any that holds `nn.RNN`, `nn.LSTM`, `nn.GRU` or `StepForm`.
        inputs: Its arguments.
        output: `(what the network gives) -> one number`, a loss or a score, whose gradient by every state is wanted.
        options: Its keyword arguments.

    Raises:
        UsageError: There is no such layer, none was called, sequences of several lengths are in one batch, or the
            output is not one number that depends on the network.

    Example:
        >>> record = record_gates(nn.GRU(3, 4), torch.zeros(5, 2, 3), output=lambda given: given[0][-1].sum())
        >>> list(record[0].values), record[0].values["z"].shape, record[0].gradients["h"].shape
        (['z', 'r', 'n', 'h'], torch.Size([5, 2, 4]), torch.Size([5, 2]))

    Source:
        LECTURES G1-G3, C9: dL/dh_t is the product of the steps' Jacobians with dL/dh_T, and of an RNN each of them is
        diag(tanh') W_hh.
    """
    layers = {name: part for name, part in network.named_modules() if is_recurrent(part)}
    if not layers:
        raise UsageError(
            "the network has no recurrent layer",
            expected="nn.RNN, nn.LSTM, nn.GRU or StepForm",
            got=type(network).__name__,
        )
    steps: dict[tuple[str, int, bool], list[Step]] = {}
    with torch.inference_mode(False), torch.enable_grad(), as_it_was(network), _learning(layers.values()):
        for name, layer in layers.items():
            told = functools.partial(_keep, steps, name)
            vars(layer)["forward"] = functools.partial(unroll, layer, told=told)
        given = network(*inputs, **options)
        if not steps:
            raise UsageError("the network did not call its recurrent layers", got=", ".join(layers))
        _check_even(steps)
        gradients = {} if output is None else _gradients(steps, output(given))
    return [_record(layers[key[0]], key, taken, gradients.get(key, {})) for key, taken in steps.items()]


def vanishing(norms: Float[Tensor, " t"], *, backward: bool = False) -> int | None:
    """Return how many steps back from where it began the norm of a gradient is below `GONE` of it, and stays there.

    Args:
        norms: Of each step, as `LayerRecord.gradients` has them for one sequence.
        backward: Whether the layer reads from the end.

    Returns:
        None where it arrives at the farthest step.

    Example:
        >>> vanishing(torch.tensor([1e-6, 1e-5, 0.1, 1.0, 0.0]))
        2

    Source:
        LECTURES C9.
    """
    found = norms.flip(0) if not backward else norms
    begun = found.nonzero()
    if not len(begun):
        return None
    path = found[int(begun[0]) :]
    alive = (path >= GONE * path[0]).nonzero()
    steps = int(alive[-1]) + 1
    return steps if steps < len(path) else None


def pace(norms: Float[Tensor, " t"], *, backward: bool = False) -> float | None:
    """Return the mean factor of a gradient's norm from one step to the one before; None where there is only one.

    Example:
        >>> round(pace(torch.tensor([0.25, 0.5, 1.0, 0.0])), 6)
        0.5
    """
    found = norms.flip(0) if not backward else norms
    path = found[found > 0].double()
    if len(path) < 2:
        return None
    return math.exp(float((path[-1].log() - path[0].log()) / (len(path) - 1)))


def is_recurrent(part: nn.Module) -> bool:
    """Return whether a module is a layer whose gates `record_gates` records."""
    return isinstance(part, StepForm) or type(part) in (nn.RNN, nn.LSTM, nn.GRU)


@contextmanager
def _learning(layers: Any) -> Iterator[None]:
    """While the block runs the layers' weights ask for gradients, so that every state is a part of the graph."""
    frozen = [weight for layer in layers for weight in layer.parameters() if not weight.requires_grad]
    for weight in frozen:
        weight.requires_grad_(True)
    try:
        yield
    finally:
        for weight in frozen:
            weight.requires_grad_(False)


def _keep(
    kept: dict[tuple[str, int, bool], list[Step]], name: str, depth: int, back: bool, now: Sequence[Step]
) -> None:
    kept.setdefault((name, depth, back), []).extend(now)


def _check_even(steps: Mapping[tuple[str, int, bool], list[Step]]) -> None:
    if any(len({len(step.h) for step in taken}) > 1 for taken in steps.values()):
        raise UsageError(
            "sequences of several lengths are in one batch", expected="one length", remedy="record one at a time"
        )


def _gradients(
    steps: Mapping[tuple[str, int, bool], list[Step]], output: Any
) -> dict[tuple[str, int, bool], dict[str, Tensor]]:
    """Norms of the output's gradient by every state."""
    if not isinstance(output, Tensor) or output.numel() != 1 or not output.requires_grad:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise UsageError("the output has no gradient", expected="one number that depends on the states", got=shape)
    states = [
        (key, name, state) for key, taken in steps.items() for s in taken for name, state in zip("hc", state_of(s))
    ]
    found = torch.autograd.grad(output.reshape(()), [state for _, _, state in states], allow_unused=True)
    norms: dict[tuple[str, int, bool], dict[str, list[Tensor]]] = {}
    for (key, name, state), gradient in zip(states, found):
        norm = state.new_zeros(len(state)) if gradient is None else gradient.norm(dim=1)
        norms.setdefault(key, {}).setdefault(name, []).append(norm)
    return {key: {name: torch.stack(each) for name, each in mine.items()} for key, mine in norms.items()}


def _record(
    layer: Any, key: tuple[str, int, bool], taken: Sequence[Step], gradients: Mapping[str, Tensor]
) -> LayerRecord:
    path, depth, backward = key
    words = [path] if path else []
    if layer.num_layers > 1:
        words.append(f"layer {depth + 1}")
    if layer.bidirectional:
        words.append("backward" if backward else "forward")
    return LayerRecord(
        name=" ".join(words) or "the layer",
        cell=CELLS[str(layer.mode)],
        depth=depth,
        backward=backward,
        values={name: torch.stack([getattr(s, name) for s in taken]).detach() for name in taken[0]._fields},
        gradients=gradients,
    )
