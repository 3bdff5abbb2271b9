"""Where the layer normalization of a residual block stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor, nn


class Order(NamedTuple):
    """A residual block x -> leave(x, f(enter(x, norm)), norm).

    Args:
        enter: What the body f is given.
        leave: What becomes of x and of what the body has made of it.
    """

    enter: Callable[[Tensor, nn.Module], Tensor]
    leave: Callable[[Tensor, Tensor, nn.Module], Tensor]


def normed(x: Tensor, norm: nn.Module) -> Tensor:
    """LN(x)."""
    found: Tensor = norm(x)
    return found


def plain(x: Tensor, norm: nn.Module) -> Tensor:
    """x."""
    return x


ORDERS: Mapping[str, Order] = {
    "pre": Order(normed, lambda x, y, norm: x + y),
    "post": Order(plain, lambda x, y, norm: normed(x + y, norm)),
    "inner": Order(plain, lambda x, y, norm: x + normed(y, norm)),
}
"""The three orders by name (LECTURES H8): pre x + f(LN(x)), as in practice, where what goes through the sum is never
normalized, so that deep networks train (Xiong et al. 2020); post LN(x + f(x)), as in the paper, which needs a warm-up;
inner x + LN(f(x)), 003's text."""
