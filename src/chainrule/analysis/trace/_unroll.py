"""`nn.RNN`, `nn.LSTM` and `nn.GRU` step by step, with their own weights: what their one fused operation hides."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from chainrule.analysis._used import modules_of

State = tuple[Tensor, ...]
"""h, (N, H); an LSTM's also has c, (N, H)."""
Step = Callable[[Tensor, State, Tensor, "Tensor | None", "Tensor | None"], State]
"""Of x's part of the gates, the state, W_hh, b_hh and W_hr (a projection of h)."""


def fused_in(function: Callable[..., Any]) -> list[nn.RNNBase]:
    """The fused recurrent layers that a function can be seen to use."""
    found = (part for module in modules_of(function).values() for part in module.modules())
    return [
        part
        for part in dict.fromkeys(found)
        if isinstance(part, nn.RNNBase) and type(part) in (nn.RNN, nn.LSTM, nn.GRU)
    ]


@contextmanager
def unrolled(layers: Sequence[nn.RNNBase]) -> Iterator[None]:
    """While the block runs, these layers step through time."""
    for layer in layers:
        vars(layer)["forward"] = functools.partial(_forward, layer)
    try:
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)


def _forward(layer: nn.RNNBase, input: Any, hx: Any = None) -> Any:
    """What the layer's own `forward` gives; sequences of several lengths are left to it."""
    if isinstance(input, PackedSequence):
        return type(layer).forward(layer, input, hx)
    x = input if input.dim() == 3 else input.unsqueeze(0 if layer.batch_first else 1)
    x = x.transpose(0, 1) if layer.batch_first else x  # (T, N, D)
    starts = _starts(layer, hx, x, batched=input.dim() == 3)
    ends: list[State] = []
    for depth in range(layer.num_layers):
        sides = []
        for direction in range(1 + layer.bidirectional):
            suffix = f"l{depth}" + ("_reverse" if direction else "")
            outputs, state = _one(layer, suffix, x, starts[len(ends)], backward=bool(direction))
            sides.append(outputs)
            ends.append(state)
        x = torch.cat(sides, dim=2) if len(sides) > 1 else sides[0]  # (T, N, H * directions)
        if layer.dropout and layer.training and depth < layer.num_layers - 1:
            x = functional.dropout(x, layer.dropout)
    last = tuple(torch.stack([state[i] for state in ends]) for i in range(len(ends[0])))
    output = x.transpose(0, 1) if layer.batch_first else x
    if input.dim() == 2:
        output, last = output.squeeze(0 if layer.batch_first else 1), tuple(part.squeeze(1) for part in last)
    return output, (last if len(last) > 1 else last[0])


def _starts(layer: nn.RNNBase, hx: Any, x: Float[Tensor, "t n d"], batched: bool) -> list[State]:
    """The first state of each layer and direction: the given one, or zeros."""
    count = layer.num_layers * (1 + layer.bidirectional)
    if hx is None:
        sizes = (layer.proj_size or layer.hidden_size, layer.hidden_size)[: 1 + isinstance(layer, nn.LSTM)]
        return [tuple(x.new_zeros(x.shape[1], size) for size in sizes) for _ in range(count)]
    parts = hx if isinstance(hx, tuple) else (hx,)
    if not batched:
        parts = tuple(part.unsqueeze(1) for part in parts)
    return [tuple(part[i] for part in parts) for i in range(count)]


def _one(layer: nn.RNNBase, suffix: str, x: Tensor, state: State, *, backward: bool) -> tuple[Tensor, State]:
    """One layer in one direction: (T, N, D) -> (T, N, H), and the last state."""
    weights: dict[str, Any] = {
        name: getattr(layer, f"{name}_{suffix}", None)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    }
    w_hh, b_hh, w_hr = weights["weight_hh"], weights["bias_hh"], weights["weight_hr"]
    step = {"LSTM": _lstm, "GRU": _gru, "RNN_TANH": _tanh, "RNN_RELU": _relu}[layer.mode]
    gates = functional.linear(x, weights["weight_ih"], weights["bias_ih"]).unbind(0)
    outputs = []
    for gate in reversed(gates) if backward else gates:
        state = step(gate, state, w_hh, b_hh, w_hr)
        outputs.append(state[0])
    return torch.stack(outputs[::-1] if backward else outputs), state


def _tanh(gate: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None, w_hr: Tensor | None) -> State:
    return (torch.tanh(gate + functional.linear(state[0], w_hh, b_hh)),)


def _relu(gate: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None, w_hr: Tensor | None) -> State:
    return (torch.relu(gate + functional.linear(state[0], w_hh, b_hh)),)


def _lstm(gate: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None, w_hr: Tensor | None) -> State:
    i, f, g, o = (gate + functional.linear(state[0], w_hh, b_hh)).chunk(4, dim=1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    return (h if w_hr is None else functional.linear(h, w_hr), c)


def _gru(gate: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None, w_hr: Tensor | None) -> State:
    xr, xz, xn = gate.chunk(3, dim=1)
    hr, hz, hn = functional.linear(state[0], w_hh, b_hh).chunk(3, dim=1)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    return ((1 - z) * torch.tanh(xn + r * hn) + z * state[0],)
