"""Recurrent layers as graphs can hold them: of any length, each direction by itself, padding never read.

torch.export would unroll a fused layer over the one length that it is shown. Here a direction is either a loop inside
of the graph (`ScanDirection`) or an operation of the ONNX standard (`OnnxDirection`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeGuard

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.nn._pool_places import max_of, mean_of
from chainrule.nn.recurrent._steps import gru_step, lstm_step, rnn_step

ONNX_GATES = {"RNN_TANH": (0,), "LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}
"""Kind of layer -> place of ONNX's gates among torch's: LSTM i, o, f, c of i, f, g, o; GRU z, r, n of r, z, n."""

Direction = Callable[[nn.RNNBase, str], nn.Module]
"""`(layers, suffix of the weights' names) -> module`, and that: `(x (T, B, D), lengths, h, c) -> (outputs, h, c)`."""


class ScanDirection(nn.Module):
    """One direction of a layer as a loop over steps, of torch's operations alone.

    Where a sequence has ended, the state stays as it was. Backward it is read from the end, padding first, which leaves
    the state at 0.

    Args:
        layers: torch's fused layers.
        suffix: Of the names of the weights: `_l0`, `_l0_reverse`.
    """

    def __init__(self, layers: nn.RNNBase, suffix: str) -> None:
        super().__init__()
        self.mode, self.backward = layers.mode, suffix.endswith("_reverse")
        self.weight_ih, self.weight_hh = (getattr(layers, f"weight_{name}{suffix}") for name in ("ih", "hh"))
        self.bias_ih: Any = getattr(layers, f"bias_ih{suffix}") if layers.bias else None
        self.bias_hh: Any = getattr(layers, f"bias_hh{suffix}") if layers.bias else None

    def forward(
        self, x: Float[Tensor, "t b d"], lengths: Int64[Tensor, " b"], h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the outputs of every step (T, B, H), and the states after the last of each sequence (B, H)."""
        from torch._higher_order_ops.scan import scan

        w_hh, b_hh, mode = self.weight_hh, self.bias_hh, self.mode

        def step(state: tuple[Tensor, ...], now: tuple[Tensor, Tensor]) -> tuple[tuple[Tensor, ...], Tensor]:
            (a, there), before = now, state[0]
            made: tuple[Tensor, ...]
            if mode == "LSTM":
                found = lstm_step(a, before, state[1], w_hh, b_hh)
                made = found.h, found.c
            else:
                made = ((gru_step if mode == "GRU" else rnn_step)(a, before, w_hh, b_hh).h,)
            kept = tuple(torch.where(there, new, old) for new, old in zip(made, state))
            return kept, kept[0].clone()

        a = nn.functional.linear(x, self.weight_ih, self.bias_ih)  # (T, B, gates)
        there = (torch.arange(x.shape[0], device=x.device).unsqueeze(1) < lengths).unsqueeze(2)  # (T, B, 1)
        if self.backward:
            a, there = a.flip(0), there.flip(0)
        begun = (h.clone(), c.clone()) if mode == "LSTM" else (h.clone(),)  # tensors of their own: scan takes h for c
        (h, *cell), outputs = scan(step, begun, (a, there), dim=0)
        return outputs.flip(0) if self.backward else outputs, h, cell[0] if cell else c


class OnnxDirection(nn.Module):
    """The same as one operation of the ONNX standard; it computes nothing in torch, and can only be exported.

    Args:
        layers: torch's fused layers.
        suffix: Of the names of the weights.
    """

    w: Tensor
    r: Tensor
    b: Tensor

    def __init__(self, layers: nn.RNNBase, suffix: str) -> None:
        super().__init__()
        self.kind, self.width = layers.mode.partition("_")[0], layers.hidden_size
        self.backward, order = suffix.endswith("_reverse"), ONNX_GATES[layers.mode]

        def arranged(name: str) -> Tensor:
            gates = getattr(layers, name + suffix).detach().chunk(len(order))
            return torch.cat([gates[place] for place in order])

        empty = torch.zeros(2 * len(order) * self.width)
        self.register_buffer("w", arranged("weight_ih").unsqueeze(0))  # (1, gates, D)
        self.register_buffer("r", arranged("weight_hh").unsqueeze(0))  # (1, gates, H)
        biases = torch.cat([arranged("bias_ih"), arranged("bias_hh")]) if layers.bias else empty
        self.register_buffer("b", biases.unsqueeze(0))  # (1, 2 gates)

    def forward(
        self, x: Float[Tensor, "t b d"], lengths: Int64[Tensor, " b"], h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return outputs and states of the shapes that `ScanDirection` gives."""
        options: dict[str, Any] = {
            "hidden_size": self.width,
            "direction": "reverse" if self.backward else "forward",
            **({"linear_before_reset": 1} if self.kind == "GRU" else {}),
        }
        given = [x, self.w, self.r, self.b, lengths.to(torch.int32), h.unsqueeze(0)]
        state = (1, x.shape[1], self.width)
        shapes = [(x.shape[0], 1, x.shape[1], self.width), state]
        if self.kind == "LSTM":
            given, shapes = [*given, c.unsqueeze(0)], [*shapes, state]
        outputs, after, *cell = torch.onnx.ops.symbolic_multi_out(
            self.kind, given, options, dtypes=[x.dtype] * len(shapes), shapes=shapes, version=14
        )
        return outputs.squeeze(1), after.squeeze(0), cell[0].squeeze(0) if cell else c


class GraphLayers(nn.Module):
    """`nn.RNN`, `nn.LSTM` or `nn.GRU` for a graph: its arguments and answers, and the lengths where there is padding.

    Args:
        layers: torch's.
        direction: How one direction of one layer is computed.
    """

    def __init__(self, layers: nn.RNNBase, direction: Direction) -> None:
        super().__init__()
        self.lstm, self.batch_first = layers.mode == "LSTM", layers.batch_first
        self.width, self.bidirectional = layers.hidden_size, layers.bidirectional
        ways = ("", "_reverse")[: 1 + layers.bidirectional]
        self.layers = nn.ModuleList(
            nn.ModuleList(direction(layers, f"_l{depth}{way}") for way in ways) for depth in range(layers.num_layers)
        )

    def forward(self, x: Tensor, hx: Any = None, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
        """Return the outputs of every step, and the states after the last of each sequence."""
        if x.ndim != 3:
            raise UsageError("a recurrent layer in a graph takes batches", expected="(B, T, D)", got=tuple(x.shape))
        if self.batch_first:
            x = x.transpose(0, 1)  # (T, B, D)
        if lengths is None:
            lengths = x.new_zeros(x.shape[1], dtype=torch.int64) + x.shape[0]
        zeros = x.new_zeros(x.shape[1], self.width)
        before, cells = (hx if self.lstm else (hx, None)) if hx is not None else (None, None)
        after, after_cells, number = [], [], 0
        for ways in self.layers:
            found = []
            for way in ways:  # type: ignore[attr-defined]
                h, c = (zeros if state is None else state[number] for state in (before, cells))
                outputs, h, c = way(x, lengths, h, c)
                found.append(outputs)
                after.append(h)
                after_cells.append(c)
                number += 1
            x = torch.cat(found, 2) if len(found) > 1 else found[0]
        outputs = x.transpose(0, 1) if self.batch_first else x
        return outputs, (torch.stack(after), torch.stack(after_cells)) if self.lstm else torch.stack(after)


class PaddedReader(nn.Module):
    """What a `TextRecurrent` computes, without packing: the layers are told how long each text is.

    Args:
        model: Whose recurrent layers are `GraphLayers`.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, tokens: Int64[Tensor, "b t"]) -> Float[Tensor, "b k"]:
        """Return the scores of the classes."""
        there = tokens != 0
        x = self.model.embed(tokens)  # (B, T, E)
        every, state = self.model.recurrent(x, lengths=there.sum(1).clamp(min=1))
        if self.model.read == "last":
            hidden = state[0] if isinstance(state, tuple) else state  # (layers * ways, B, H)
            found = hidden[-1 - self.model.recurrent.bidirectional :].transpose(0, 1).flatten(1)
        else:
            found = mean_of(every, there) if self.model.read == "mean" else max_of(every, there)
        scores: Tensor = self.model.head(found)
        return scores


def with_graph_layers(model: nn.Module, direction: Direction) -> nn.Module:
    """Return the network with its recurrent layers as graphs hold them; weights are shared, the network stays as it is.

    Args:
        model: In evaluation mode.
        direction: How one direction of one layer is computed.

    Example:
        >>> type(with_graph_layers(nn.GRU(3, 4), ScanDirection)).__name__
        'GraphLayers'

    Source:
        LECTURES G1-G3.
    """
    made: dict[int, Any] = {
        id(part): GraphLayers(part, direction).eval() for part in model.modules() if can_be_held(part)
    }
    shared = {id(value): value for value in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, {**shared, **made})  # what is named there takes the place of a copy


def can_be_held(part: nn.Module) -> TypeGuard[nn.RNNBase]:
    """Whether a part is exactly one of torch's recurrent layers, of a kind that both forms have."""
    return type(part) in (nn.RNN, nn.LSTM, nn.GRU) and part.mode in ONNX_GATES and not part.proj_size
