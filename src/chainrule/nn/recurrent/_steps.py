"""One step of time: what was seen before, h, and what is seen now, x, make the next h.

`a` is x's part of the gates, W_ih x + b_ih; its columns, and the rows of W_hh, stand in torch's order: i, f, g, o of an
LSTM, r, z, n of a GRU. The lectures write i, f, o, g and z, r, n: `lecture_weights` goes from one to the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


class RNNStep(NamedTuple):
    """What a step of a vanilla RNN makes, (N, H)."""

    h: Tensor


class LSTMStep(NamedTuple):
    """What a step of an LSTM makes, (N, H) each.

    Args:
        i: How much is taken in, 0 to 1.
        f: How much of the cell is kept, 0 to 1.
        o: How much of the cell is told, 0 to 1.
        g: What is taken in, -1 to 1.
        c: The cell.
        h: What is told; (N, P) where a projection makes it smaller.
    """

    i: Tensor
    f: Tensor
    o: Tensor
    g: Tensor
    c: Tensor
    h: Tensor


class GRUStep(NamedTuple):
    """What a step of a GRU makes, (N, H) each.

    Args:
        z: How much of the old h is kept, 0 to 1.
        r: How much of it the proposal sees, 0 to 1.
        n: The proposal, -1 to 1.
        h: The state.
    """

    z: Tensor
    r: Tensor
    n: Tensor
    h: Tensor


Step = RNNStep | LSTMStep | GRUStep


def rnn_step(
    a: Float[Tensor, "n h"],
    h: Float[Tensor, "n h"],
    w_hh: Float[Tensor, "h h"],
    b_hh: Float[Tensor, " h"] | None = None,
    *,
    nonlinearity: Callable[[Tensor], Tensor] = torch.tanh,
) -> RNNStep:
    """h = tanh(a + W_hh h + b_hh).

    Args:
        a: x's part, W_ih x + b_ih.
        h: The state before.
        w_hh: From state to state.
        b_hh: The state's bias.
        nonlinearity: tanh, or relu.

    Example:
        >>> one = torch.ones(1, 1)
        >>> print(rnn_step(2 * one, one, -one).h.item().__round__(4))
        0.7616

    Source:
        LECTURES G1.
    """
    return RNNStep(nonlinearity(a + functional.linear(h, w_hh, b_hh)))


def lstm_step(
    a: Float[Tensor, "n g"],
    h: Float[Tensor, "n p"],
    c: Float[Tensor, "n h"],
    w_hh: Float[Tensor, "g p"],
    b_hh: Float[Tensor, " g"] | None = None,
    w_hr: Float[Tensor, "p h"] | None = None,
) -> LSTMStep:
    """c = f c + i g and h = o tanh(c), with i, f, o = sigmoid and g = tanh of a + W_hh h + b_hh.

    Args:
        a: x's part of the gates i, f, g, o, W_ih x + b_ih.
        h: What was told before.
        c: The cell before.
        w_hh: From what was told to the gates.
        b_hh: The bias of that part.
        w_hr: A projection that makes h smaller than c.

    Example:
        >>> one = torch.ones(1, 1)
        >>> step = lstm_step(torch.zeros(1, 4), one, one, torch.zeros(4, 1))
        >>> print(step.c.item(), round(step.h.item(), 4))
        0.5 0.2311

    Source:
        LECTURES G2.
    """
    ai, af, ag, ao = (a + functional.linear(h, w_hh, b_hh)).chunk(4, dim=1)  # (N, H) each
    i, f, o, g = torch.sigmoid(ai), torch.sigmoid(af), torch.sigmoid(ao), torch.tanh(ag)
    c = f * c + i * g
    told = o * torch.tanh(c)
    return LSTMStep(i, f, o, g, c, told if w_hr is None else functional.linear(told, w_hr))


def gru_step(
    a: Float[Tensor, "n g"],
    h: Float[Tensor, "n h"],
    w_hh: Float[Tensor, "g h"],
    b_hh: Float[Tensor, " g"] | None = None,
) -> GRUStep:
    """h = (1 - z) n + z h with n = tanh(a_n + r (U h + b_hh)); the gates z and r are sigmoids.

    Args:
        a: x's part of r, z, n, W_ih x + b_ih.
        h: The state before.
        w_hh: From state to gates; U is its part for n.
        b_hh: The bias of that part; that of n stands inside of r.

    Example:
        >>> one = torch.ones(1, 1)
        >>> print(gru_step(torch.zeros(1, 3), one, torch.zeros(3, 1)).h.item())
        0.5

    Source:
        LECTURES G3.
    """
    ar, az, an = a.chunk(3, dim=1)  # (N, H) each
    ur, uz, un = functional.linear(h, w_hh, b_hh).chunk(3, dim=1)
    r, z = torch.sigmoid(ar + ur), torch.sigmoid(az + uz)
    n = torch.tanh(an + r * un)
    return GRUStep(z, r, n, (1 - z) * n + z * h)
