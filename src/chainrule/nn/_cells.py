"""torch's fused recurrent layers: by name, how their weights begin, and their state with the batch first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

CELLS: Mapping[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
"""Name of a cell -> its layers."""


def fused_layers(
    cell: str, inputs: int, width: int, layers: int = 1, *, dropout: float = 0.0, bidirectional: bool = False
) -> nn.RNNBase:
    """Return recurrent layers on top of each other, with the batch first; `begin_recurrent` draws their weights.

    Args:
        cell: One of `CELLS`.
        inputs: Numbers of a step.
        width: Numbers of the state of each layer and direction.
        layers: How many.
        dropout: Between them; torch warns of it where there is one layer alone, which has no between.
        bidirectional: Whether a second direction reads from the end.

    Example:
        >>> fused_layers("gru", 3, 5, dropout=0.5)(torch.zeros(2, 7, 3))[0].shape
        torch.Size([2, 7, 5])
    """
    between = dropout if layers > 1 else 0.0
    return CELLS[cell](inputs, width, layers, dropout=between, bidirectional=bidirectional, batch_first=True)


def layers_first(state: Mapping[str, Tensor] | None) -> Tensor | tuple[Tensor, Tensor] | None:
    """Return a state of (B, layers, H) tensors as torch's layers take it, (layers, B, H); None for none.

    Args:
        state: "h", and "c" where there is a cell.

    Example:
        >>> layers_first({"h": torch.zeros(5, 2, 3)}).shape
        torch.Size([2, 5, 3])
    """
    if not state:
        return None
    turned = {name: state[name].transpose(0, 1).contiguous() for name in "hc" if name in state}
    return (turned["h"], turned["c"]) if "c" in turned else turned["h"]


def batch_first(after: Tensor | tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Return the state that torch's layers gave by name, (B, layers, H) each.

    Example:
        >>> {name: value.shape for name, value in batch_first(torch.zeros(2, 5, 3)).items()}
        {'h': torch.Size([5, 2, 3])}
    """
    names = dict(zip("hc", after)) if isinstance(after, tuple) else {"h": after}
    return {name: value.transpose(0, 1) for name, value in names.items()}


@torch.no_grad()
def begin_recurrent(layers: nn.RNNBase) -> None:
    """Draw the weights: each gate's recurrent matrix orthogonal, its input matrix as Glorot has it; forget gates open.

    Source:
        LECTURES G1-G3. Forget gates begin open: Gers et al. 2000.
    """
    width = layers.hidden_size
    for name, parameter in layers.named_parameters():
        if name.startswith("weight_hh"):
            for gate in parameter.split(width):
                nn.init.orthogonal_(gate)
        elif name.startswith("weight_ih"):
            for gate in parameter.split(width):
                nn.init.xavier_uniform_(gate)
        else:
            nn.init.zeros_(parameter)
        if name.startswith("bias_ih") and isinstance(layers, nn.LSTM):
            parameter[width : 2 * width] = 1.0  # torch's order of the gates: i, f, g, o
