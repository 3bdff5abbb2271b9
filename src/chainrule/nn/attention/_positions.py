"""Where a token stands, added to or set beside what it is: attention itself knows no order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.errors import UsageError


def sinusoidal(length: int, dim: int, *, first: int = 0) -> Float[Tensor, "t d"]:
    """Return PE(p, 2i) = sin(p / 10000^(2i/d)) and PE(p, 2i+1) = cos(p / 10000^(2i/d)), i from 0.

    Args:
        length: Positions.
        dim: Numbers of each; an odd one leaves the last cosine out.
        first: The first position.

    Example:
        >>> sinusoidal(2, 2).round(decimals=2).tolist()
        [[0.0, 1.0], [0.8399999737739563, 0.5400000214576721]]

    Source:
        LECTURES H6; Vaswani et al. 2017, 3.5.

    Departures:
        003 counts i from 1.
    """
    place = torch.arange(first, first + length, dtype=torch.float64).unsqueeze(1)
    frequency = torch.exp(torch.arange(0, dim, 2, dtype=torch.float64) * (-math.log(10_000.0) / dim))
    found = torch.empty(length, dim, dtype=torch.float64)
    found[:, 0::2] = torch.sin(place * frequency)
    found[:, 1::2] = torch.cos(place * frequency)[:, : dim // 2]
    return found.float()


class NoPositions(nn.Module):
    """Tokens as a set: 0 at every position."""

    def __init__(self, dim: int, length: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, first: int, count: int) -> Float[Tensor, "t d"]:
        """Return zeros."""
        return torch.zeros(count, self.dim)


class NaivePositions(nn.Module):
    """The position p itself as a number, p / length, in every column.

    Source:
        LECTURES H6 (naive t). Divided by the length, or it would drown the embeddings.
    """

    def __init__(self, dim: int, length: int) -> None:
        super().__init__()
        self.dim, self.length = dim, length

    def forward(self, first: int, count: int) -> Float[Tensor, "t d"]:
        """Return the positions from `first` on."""
        place = torch.arange(first, first + count, dtype=torch.float32) / self.length
        return place.unsqueeze(1).expand(count, self.dim)


class SinusoidalPositions(nn.Module):
    """`sinusoidal` positions: any length, nothing to learn."""

    def __init__(self, dim: int, length: int) -> None:
        super().__init__()
        self.register_buffer("table", sinusoidal(length, dim), persistent=False)

    def forward(self, first: int, count: int) -> Float[Tensor, "t d"]:
        """Return the positions from `first` on; beyond the table they are computed."""
        table: Tensor = self.table  # type: ignore[assignment]
        if first + count <= len(table):
            return table[first : first + count]
        return sinusoidal(count, table.shape[1], first=first).to(table)


class LearnedPositions(nn.Module):
    """One learned vector a position, up to a greatest length.

    Args:
        dim: Numbers of each.
        length: Positions.

    Source:
        LECTURES H6.
    """

    def __init__(self, dim: int, length: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(length, dim))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, first: int, count: int) -> Float[Tensor, "t d"]:
        """Return the positions from `first` on.

        Raises:
            UsageError: The sequence is longer than the table.
        """
        if first + count > len(self.weight):
            raise UsageError(
                "the sequence is longer than the table of positions",
                expected=f"at most {len(self.weight)} tokens",
                got=first + count,
                remedy="a shorter sequence, or rotary or sinusoidal positions",
            )
        return self.weight[first : first + count]


POSITIONS: Mapping[str, Callable[[int, int], nn.Module]] = {
    "none": NoPositions,
    "naive": NaivePositions,
    "sinusoidal": SinusoidalPositions,
    "learned": LearnedPositions,
}
"""`(dim, length) -> module`, and that: `(first, count) -> (count, dim)`."""
