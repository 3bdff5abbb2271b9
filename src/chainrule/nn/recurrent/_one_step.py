"""`nn.RNNCell`, `nn.LSTMCell`, `nn.GRUCell` that tell their gates."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from chainrule.core.errors import UsageError, unknown
from chainrule.nn.recurrent._form import GATES, MODES
from chainrule.nn.recurrent._steps import Step
from chainrule.nn.recurrent._unroll import Weights, state_of, take_step


class StepCell(nn.Module):
    """One step, for loops of one's own; the names of its weights are those of torch's cells.

    Args:
        cell: rnn, rnn_relu, lstm or gru.
        input_size: Numbers of x.
        hidden_size: Numbers of the state.
        bias: Whether there are biases.

    Raises:
        UsageError: There is no such cell.

    Example:
        >>> cell, fused = StepCell("gru", 3, 4), nn.GRUCell(3, 4)
        >>> cell.load_state_dict(fused.state_dict())
        <All keys matched successfully>
        >>> x = torch.randn(2, 3)
        >>> step = cell(x)
        >>> torch.allclose(step.h, fused(x), atol=1e-6), step.z.shape
        (True, torch.Size([2, 4]))

    Source:
        LECTURES G1-G3.
    """

    def __init__(self, cell: str, input_size: int, hidden_size: int, *, bias: bool = True) -> None:
        super().__init__()
        if cell not in MODES:
            raise UsageError(f'there is no cell "{cell}"', remedy=unknown("cell", cell, list(MODES)))
        self.mode, self.input_size, self.hidden_size = MODES[cell], input_size, hidden_size
        rows, bound = GATES[self.mode] * hidden_size, 1 / math.sqrt(hidden_size)
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(rows).uniform_(-bound, bound)) if bias else None
        self.bias_hh = nn.Parameter(torch.empty(rows).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Float[Tensor, "n d"], state: Step | None = None) -> Step:
        """Return the step after another one, or after zeros."""
        if state is None:
            zeros = x.new_zeros(len(x), self.hidden_size)
            before: tuple[Tensor, ...] = (zeros, zeros) if self.mode == "LSTM" else (zeros,)
        else:
            before = state_of(state)
        a = functional.linear(x, self.weight_ih, self.bias_ih)
        return take_step(
            self.mode, a, before, Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, None)
        )
