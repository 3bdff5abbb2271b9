"""Weights as the lectures write them: x Wx + h Wh + b, gates in the order i, f, o, g and z, r, n."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.nn.recurrent._unroll import Layers, Weights, weights_of

ORDERS: dict[str, tuple[int, ...]] = {"RNN_TANH": (0,), "RNN_RELU": (0,), "LSTM": (0, 1, 3, 2), "GRU": (1, 0, 2)}
"""Where torch has the gates that the lectures name first, second, ...; each is its own inverse."""


class LectureWeights(NamedTuple):
    """What `chainrule.formulas` takes.

    Args:
        Wx: (D, G H), for G gates.
        Wh: (H, G H).
        b: (G H,).
    """

    Wx: Tensor
    Wh: Tensor
    b: Tensor


def lecture_weights(layers: Layers, depth: int = 0, *, backward: bool = False) -> LectureWeights:
    """Return the weights of one layer in one direction as the formulas take them.

    Args:
        layers: torch's recurrent layers, or a `StepForm`.
        depth: Which layer.
        backward: Which direction.

    Raises:
        UsageError: A GRU with a bias of n outside of r, or an LSTM that projects h, which the lectures do not have.

    Example:
        >>> lecture_weights(torch.nn.LSTM(3, 2)).Wx.shape
        torch.Size([3, 8])

    Source:
        LECTURES G1-G3; the order of the LSTM's gates is that of CS231n.
    """
    w = _plain(layers, depth, backward)
    rows = len(w.w_ih)
    b_ih, b_hh = (w.w_ih.new_zeros(rows) if b is None else b for b in (w.b_ih, w.b_hh))
    if layers.mode == "GRU":
        outside = b_ih[-layers.hidden_size :]
        if bool((outside != 0).any()):
            raise UsageError(
                "this GRU has a bias of n outside of r, and the lectures' has none",
                got=f"the largest is {float(outside.detach().abs().max()):.3g}",
                remedy="give x a last number that is always 1, and Wx a row with that bias",
            )
    whole = (_ordered(value, layers.mode) for value in (w.w_ih.T, w.w_hh.T, b_ih + b_hh))
    return LectureWeights(*whole)


@torch.no_grad()
def load_lecture_weights(
    layers: Layers,
    Wx: Float[Tensor, "d g"],
    Wh: Float[Tensor, "h g"],
    b: Float[Tensor, " g"],
    depth: int = 0,
    *,
    backward: bool = False,
) -> None:
    """Put the lectures' weights into one layer in one direction; x's own bias becomes 0.

    Raises:
        UsageError: The sizes do not fit, the layers have no bias, or an LSTM projects h. The layers are as they were.

    Source:
        LECTURES G1-G3.
    """
    w = _plain(layers, depth, backward)
    if w.b_ih is None or w.b_hh is None:
        raise UsageError("these layers have no bias", expected="bias=True")
    pairs = (("Wx", w.w_ih.T, Wx), ("Wh", w.w_hh.T, Wh), ("b", w.b_hh, b))
    for name, mine, given in pairs:
        if mine.shape != given.shape:
            raise UsageError(f"{name} does not fit", expected=tuple(mine.shape), got=tuple(given.shape))
    for _, mine, given in pairs:
        mine.copy_(_ordered(given, layers.mode))
    w.b_ih.zero_()


def _plain(layers: Layers, depth: int, backward: bool) -> Weights:
    """The weights of one layer in one direction, which projects nothing."""
    w = weights_of(layers, depth, backward)
    if w.w_hr is not None:
        raise UsageError("the lectures' LSTM does not project h", expected="proj_size 0", got=layers.proj_size)
    return w


def _ordered(value: Tensor, mode: str) -> Tensor:
    """Blocks of columns in the other's order."""
    order = ORDERS[mode]
    blocks = value.chunk(len(order), dim=-1)
    return torch.cat([blocks[i] for i in order], dim=-1)
