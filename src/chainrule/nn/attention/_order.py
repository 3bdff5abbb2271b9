"""Where the layer normalization of a residual block stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

Body = Callable[[Tensor], Any]


def pre_norm(x: Tensor, norm: nn.Module, body: Body) -> Tensor:
    """x + f(LN(x)): in practice; what goes through the sum is never normalized, so that deep networks train.

    Source:
        LECTURES H8; Xiong et al. 2020.
    """
    return x + body(norm(x))


def post_norm(x: Tensor, norm: nn.Module, body: Body) -> Tensor:
    """LN(x + f(x)): as in the paper; it needs a warm-up.

    Source:
        LECTURES H8; Vaswani et al. 2017, 3.1.
    """
    found: Tensor = norm(x + body(x))
    return found


def inner_norm(x: Tensor, norm: nn.Module, body: Body) -> Tensor:
    """x + LN(f(x)): 003's text.

    Source:
        LECTURES H8.
    """
    return x + norm(body(x))


ORDERS: Mapping[str, Callable[[Tensor, nn.Module, Body], Tensor]] = {
    "pre": pre_norm,
    "post": post_norm,
    "inner": inner_norm,
}
"""The three orders by name."""
