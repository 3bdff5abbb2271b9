"""`nn.RNN`, `nn.LSTM`, `nn.GRU` as a loop over steps."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from chainrule.core.errors import UsageError, unknown
from chainrule.nn.recurrent._unroll import NAMES, Listener, suffix_of, unroll

MODES = {"rnn": "RNN_TANH", "rnn_relu": "RNN_RELU", "lstm": "LSTM", "gru": "GRU"}
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
"""How many blocks of H stand in the columns of the gates."""


class StepForm(nn.Module):
    """Recurrent layers that take one step after the other; weights, arguments and answers are those of torch's.

    Its state dictionary is that of the fused layer, so each loads the other's. `unroll(form, x, told=...)` gives the
    gates of every step; `step_form` and `fused_form` convert whole networks.

    Args:
        cell: rnn, rnn_relu, lstm or gru.
        input_size: Numbers of x, D.
        hidden_size: Numbers of the state, H.
        num_layers: Layers on top of each other.
        bias: Whether there are b_ih and b_hh.
        batch_first: Whether x is (N, T, D).
        dropout: Between layers, while training.
        bidirectional: Whether a second set of weights reads from the end; outputs stand beside each other.
        proj_size: Of an LSTM: numbers of h, where it is smaller than c.

    Raises:
        UsageError: Options out of their range.

    Example:
        >>> form, fused = StepForm("lstm", 3, 4, 2, bidirectional=True), nn.LSTM(3, 4, 2, bidirectional=True)
        >>> form.load_state_dict(fused.state_dict())
        <All keys matched successfully>
        >>> x = torch.randn(5, 2, 3)
        >>> torch.allclose(form(x)[0], fused(x)[0], atol=1e-6)
        True

    Source:
        LECTURES G1-G3.

    Departures:
        The gates of a step are W_ih x + b_ih + W_hh h + b_hh in torch's order; the lectures have one bias.
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
    ) -> None:
        super().__init__()
        if cell not in MODES:
            raise UsageError(f'there is no cell "{cell}"', remedy=unknown("cell", cell, list(MODES)))
        if min(input_size, hidden_size, num_layers) < 1 or not 0 <= dropout < 1:
            got = f"{input_size} numbers, state {hidden_size}, {num_layers} layers, dropout {dropout}"
            raise UsageError(
                "these layers cannot be built", expected="sizes from 1, dropout from 0 to below 1", got=got
            )
        if proj_size and (cell != "lstm" or not 0 < proj_size < hidden_size):
            raise UsageError("only an LSTM projects h, and to less than it has", got=f"{cell}, proj_size {proj_size}")
        self.mode = MODES[cell]
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.batch_first, self.dropout, self.bidirectional = batch_first, dropout, bidirectional
        self.proj_size = proj_size
        self._begin()

    def forward(self, input: Any, hx: Any = None, *, told: Listener | None = None) -> tuple[Any, Any]:
        """Return the outputs of every step and the states after the last, as torch's layers do; see `unroll`."""
        return unroll(self, input, hx, told=told)

    def extra_repr(self) -> str:
        """Return what it is."""
        return f"{self.mode}, {self.input_size}, {self.hidden_size}, num_layers={self.num_layers}" + (
            ", bidirectional=True" if self.bidirectional else ""
        )

    def _begin(self) -> None:
        """Weights as torch draws them: uniform in +- 1 / sqrt(H)."""
        told, blocks = self.proj_size or self.hidden_size, GATES[self.mode] * self.hidden_size
        bound = 1 / math.sqrt(self.hidden_size)
        for depth in range(self.num_layers):
            size = self.input_size if depth == 0 else told * (1 + self.bidirectional)
            shapes: tuple[tuple[int, ...] | None, ...] = (
                (blocks, size),
                (blocks, told),
                (blocks,) if self.bias else None,
                (blocks,) if self.bias else None,
                (self.proj_size, self.hidden_size) if self.proj_size else None,
            )
            for backward in (False, True)[: 1 + self.bidirectional]:
                for name, shape in zip(NAMES, shapes):
                    if shape is not None:
                        drawn = torch.empty(shape).uniform_(-bound, bound)
                        self.register_parameter(name + suffix_of(depth, backward), nn.Parameter(drawn))
