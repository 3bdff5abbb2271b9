"""Recurrent layers through time: stacked, in both directions, with dropout between; every step of them in sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from chainrule.core.errors import UsageError
from chainrule.nn.recurrent._steps import LSTMStep, Step, gru_step, lstm_step, rnn_step

State = tuple[Tensor, ...]
"""h, (N, H); an LSTM's also has c, (N, H)."""
Given = Tensor | tuple[Tensor, Tensor] | None
"""The states of all layers and directions, (layers * directions, N, H), as torch's layers take and return them."""
Listener = Callable[[int, bool, Sequence[Step]], None]
"""`(layer, whether backward in time, its steps in the order of time)`."""


class Layers(Protocol):
    """What `nn.RNN`, `nn.LSTM`, `nn.GRU` and `StepForm` have in common, parameters by torch's names aside."""

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int
    training: bool


class Weights(NamedTuple):
    """Those of one layer in one direction."""

    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None
    b_hh: Tensor | None
    w_hr: Tensor | None


NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


def unroll(layers: Layers, input: Any, hx: Any = None, *, told: Listener | None = None) -> tuple[Any, Any]:
    """Return what the fused layers give, one step after the other.

    Args:
        layers: `nn.RNN`, `nn.LSTM`, `nn.GRU` or a `StepForm`.
        input: (T, N, D), (N, T, D) where the batch comes first, (T, D) of one sequence, or a `PackedSequence`.
        hx: The states at the beginning, as torch's layers take them; zeros where left out.
        told: Called with the steps of each layer and direction.

    Raises:
        UsageError: There is no step or no sequence; the sizes do not fit.

    Example:
        >>> layer, gates = torch.nn.LSTM(3, 2), []
        >>> output, (h, c) = unroll(layer, torch.zeros(5, 1, 3), told=lambda depth, back, steps: gates.extend(steps))
        >>> output.shape, len(gates), gates[0].f.shape
        (torch.Size([5, 1, 2]), 5, torch.Size([1, 2]))

    Source:
        LECTURES G1-G3.
    """
    if isinstance(input, PackedSequence):
        return _packed(layers, input, hx, told)
    if input.dim() not in (2, 3):
        raise UsageError("this is no sequence", expected="(T, N, D), or (T, D) of one", got=tuple(input.shape))
    first = layers.batch_first
    x = input if input.dim() == 3 else input.unsqueeze(0 if first else 1)
    x = x.transpose(0, 1) if first else x  # (T, N, D)
    if not x.shape[0] or not x.shape[1]:
        what = "the sequences have no step" if not x.shape[0] else "the batch holds no sequence"
        raise UsageError(what, expected="at least one", got=f"an input of shape {tuple(input.shape)}")
    one = input.dim() == 2
    outputs, last = _run(layers, list(x.unbind(0)), _given(layers, hx, one), told)
    output = torch.stack(outputs)
    output = output.transpose(0, 1) if first else output
    if one:
        output, last = output.squeeze(0 if first else 1), tuple(part.squeeze(1) for part in last)
    return output, (last if len(last) > 1 else last[0])


def _packed(layers: Layers, input: PackedSequence, hx: Any, told: Listener | None) -> tuple[PackedSequence, Any]:
    """Sequences of several lengths, the longest first: those that have ended take no more steps."""
    given = _given(layers, hx, one=False)
    if given is not None and input.sorted_indices is not None:
        given = tuple(part.index_select(1, input.sorted_indices) for part in given)
    outputs, last = _run(layers, list(input.data.split(input.batch_sizes.tolist())), given, told)
    if input.unsorted_indices is not None:
        last = tuple(part.index_select(1, input.unsorted_indices) for part in last)
    packed = PackedSequence(torch.cat(outputs), input.batch_sizes, input.sorted_indices, input.unsorted_indices)
    return packed, (last if len(last) > 1 else last[0])


def _run(layers: Layers, x: list[Tensor], given: State | None, told: Listener | None) -> tuple[list[Tensor], State]:
    """All layers in turn: inputs (N_t, D) of the steps -> outputs (N_t, H * directions), and the last states."""
    if x[0].shape[1] != layers.input_size:
        expected = f"{layers.input_size} numbers a step"
        raise UsageError("the inputs do not fit the layers", expected=expected, got=x[0].shape[1])
    starts = _starts(layers, given, x[0])
    ends: list[State] = []
    for depth in range(layers.num_layers):
        sides = []
        for backward in (False, True)[: 1 + layers.bidirectional]:
            weights = weights_of(layers, depth, backward)
            steps, state = _one(layers.mode, weights, x, starts[len(ends)], backward)
            if told is not None:
                told(depth, backward, steps)
            sides.append([step.h for step in steps])
            ends.append(state)
        x = [torch.cat(both, dim=1) for both in zip(*sides)] if len(sides) > 1 else sides[0]  # (N_t, H * directions)
        if layers.dropout and layers.training and depth < layers.num_layers - 1:
            x = list(functional.dropout(torch.cat(x), layers.dropout).split([len(part) for part in x]))
    return x, tuple(torch.stack([state[i] for state in ends]) for i in range(len(ends[0])))


def _one(mode: str, weights: Weights, x: list[Tensor], state: State, backward: bool) -> tuple[list[Step], State]:
    """One layer in one direction: its steps in the order of time, and the state that it ends with."""
    sizes = [len(part) for part in x]
    parts = functional.linear(torch.cat(x), weights.w_ih, weights.b_ih).split(sizes)  # x's part of the gates
    steps: list[Step] = []
    for a in reversed(parts) if backward else parts:
        live = len(a)  # of sorted lengths: the first ones
        step = take_step(mode, a, tuple(part[:live] for part in state) if live < len(state[0]) else state, weights)
        after = state_of(step)
        if live < len(state[0]):
            after = tuple(torch.cat([new, old[live:]]) for new, old in zip(after, state))
        state = after
        steps.append(step)
    return steps[::-1] if backward else steps, state


def take_step(mode: str, a: Tensor, state: State, weights: Weights) -> Step:
    """Return the step of a kind of layer, as torch calls them: RNN_TANH, RNN_RELU, LSTM or GRU."""
    if mode == "LSTM":
        return lstm_step(a, state[0], state[1], weights.w_hh, weights.b_hh, weights.w_hr)
    if mode == "GRU":
        return gru_step(a, state[0], weights.w_hh, weights.b_hh)
    return rnn_step(a, state[0], weights.w_hh, weights.b_hh, nonlinearity=NONLINEARITIES[mode])


def state_of(step: Step) -> State:
    """Return what a step hands on to the next."""
    return (step.h, step.c) if isinstance(step, LSTMStep) else (step.h,)


NONLINEARITIES = {"RNN_TANH": torch.tanh, "RNN_RELU": torch.relu}


def suffix_of(depth: int, backward: bool) -> str:
    """Return how torch ends the names of a layer's parameters.

    Example:
        >>> suffix_of(1, True)
        '_l1_reverse'
    """
    return f"_l{depth}" + ("_reverse" if backward else "")


def weights_of(layers: Layers, depth: int, backward: bool = False) -> Weights:
    """Return the weights of one layer in one direction."""
    return Weights(*(getattr(layers, name + suffix_of(depth, backward), None) for name in NAMES))  # type: ignore[arg-type]


def _given(layers: Layers, hx: Given, one: bool) -> State | None:
    if hx is None:
        return None
    parts = hx if isinstance(hx, tuple) else (hx,)
    wanted = 1 + (layers.mode == "LSTM")
    if len(parts) != wanted:
        raise UsageError("the state does not fit", expected=("h", "(h, c)")[wanted - 1], got=f"{len(parts)} tensors")
    return tuple(part.unsqueeze(1) for part in parts) if one else parts


def _starts(layers: Layers, given: State | None, x: Tensor) -> list[State]:
    """The first state of each layer and direction: the given one, or zeros."""
    count = layers.num_layers * (1 + layers.bidirectional)
    sizes = (layers.proj_size or layers.hidden_size, layers.hidden_size)[: 1 + (layers.mode == "LSTM")]
    if given is None:
        return [tuple(x.new_zeros(len(x), size) for size in sizes) for _ in range(count)]
    for part, size in zip(given, sizes):
        if part.shape != (count, len(x), size):
            raise UsageError("the state does not fit", expected=(count, len(x), size), got=tuple(part.shape))
    return [tuple(part[i] for part in given) for i in range(count)]
