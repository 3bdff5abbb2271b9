"""Positions as rotations: the product of a query and a key depends on their distance alone."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

BASE = 10_000.0


def rotary(x: Float[Tensor, "*b t d"], first: int = 0) -> Float[Tensor, "*b t d"]:
    """Return x with each pair of numbers (x_i, x_{i + D/2}) turned by the angle p / 10000^(2i/D) at position p.

    Args:
        x: Queries or keys of a head; D is even.
        first: Position of the first of them.

    Example:
        >>> x = torch.randn(1, 5, 8)
        >>> q, k = rotary(x, first=3), rotary(x, first=0)
        >>> torch.allclose(q[0, 0] @ k[0, 1], rotary(x, first=13)[0, 0] @ rotary(x, first=10)[0, 1], atol=1e-4)
        True

    Source:
        An extra beyond LECTURES H6; Su et al. 2021, 3.2.

    Departures:
        The paper turns neighbours (x_{2i}, x_{2i+1}); halves are the same up to the order of the columns, and faster.
    """
    half = x.shape[-1] // 2
    frequency = BASE ** (-torch.arange(half, dtype=torch.float32, device=x.device) / half)
    place = torch.arange(first, first + x.shape[-2], dtype=torch.float32, device=x.device)
    angle = torch.outer(place, frequency)  # (T, D/2)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    one, two = x[..., :half], x[..., half:]
    return torch.cat([one * cos - two * sin, two * cos + one * sin], dim=-1)
