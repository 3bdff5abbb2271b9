"""The blocks of transformers: attention and a position-wise network, each with its residual and norm."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Bool, Float
from torch import Tensor, nn

from chainrule.core.errors import UsageError, unknown
from chainrule.nn.attention._multi_head import CrossAttention, KeysValues, SelfAttention, begin_projections
from chainrule.nn.attention._order import ORDERS


class FeedForward(nn.Sequential):
    """W2 act(W1 x + b1) + b2 at each position alone.

    Args:
        dim: Numbers of a token.
        hidden: Numbers between; 4 dim usually.
        activation: Makes one: `nn.ReLU`, `nn.GELU`.
        dropout: On the hidden numbers.

    Source:
        LECTURES H7; Vaswani et al. 2017, 3.3.
    """

    def __init__(
        self, dim: int, hidden: int, *, activation: Callable[[], nn.Module] = nn.GELU, dropout: float = 0.0
    ) -> None:
        first, second = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        begin_projections(first, 1)
        begin_projections(second, 1)
        super().__init__(first, activation(), nn.Dropout(dropout), second)


class SelfBlock(nn.Module):
    """Self-attention, then a feed-forward network.

    Args:
        attention: Of the tokens to each other.
        feed_forward: At each position.
        dim: Numbers of a token.
        order: Where the norm stands: "pre", "post" or "inner".
        dropout: On what each of the two adds.

    Source:
        LECTURES H8, H9.
    """

    def __init__(
        self, attention: SelfAttention, feed_forward: nn.Module, dim: int, *, order: str = "pre", dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_order(order)
        self.attention, self.feed_forward, self.order = attention, feed_forward, order
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.drop1, self.drop2 = nn.Dropout(dropout), nn.Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        read: KeysValues | None = None,
        *,
        mask: Bool[Tensor, ...] | None = None,
    ) -> tuple[Float[Tensor, "b t d"], KeysValues]:
        """Return the tokens, and the keys and values read so far."""
        enter, leave = ORDERS[self.order]
        found, now = self.attention(enter(x, self.norm1), read, mask=mask)
        x = leave(x, self.drop1(found), self.norm1)
        x = leave(x, self.drop2(self.feed_forward(enter(x, self.norm2))), self.norm2)
        return x, now


class CrossBlock(nn.Module):
    """Self-attention, attention to a memory, then a feed-forward network: a decoder's block.

    Args:
        attention: Of the tokens to each other.
        cross: To the memory.
        feed_forward: At each position.
        dim: Numbers of a token.
        order: Where the norm stands: "pre", "post" or "inner".
        dropout: On what each of the three adds.

    Source:
        LECTURES H5, H8, H9.
    """

    def __init__(
        self,
        attention: SelfAttention,
        cross: CrossAttention,
        feed_forward: nn.Module,
        dim: int,
        *,
        order: str = "pre",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_order(order)
        self.attention, self.cross, self.feed_forward, self.order = attention, cross, feed_forward, order
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.drop1, self.drop2, self.drop3 = nn.Dropout(dropout), nn.Dropout(dropout), nn.Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        memory: KeysValues,
        read: KeysValues | None = None,
        *,
        mask: Bool[Tensor, ...] | None = None,
        memory_mask: Bool[Tensor, ...] | None = None,
    ) -> tuple[Float[Tensor, "b t d"], KeysValues]:
        """Return the tokens, and the keys and values of the tokens read so far.

        Args:
            x: Tokens.
            memory: Keys and values of the other sequence, from `cross.read`.
            read: Keys and values of the tokens before x.
            mask: Which tokens may be looked at.
            memory_mask: Which of the memory may be looked at.
        """
        enter, leave = ORDERS[self.order]
        found, now = self.attention(enter(x, self.norm1), read, mask=mask)
        x = leave(x, self.drop1(found), self.norm1)
        x = leave(x, self.drop2(self.cross(enter(x, self.norm2), memory, mask=memory_mask)), self.norm2)
        x = leave(x, self.drop3(self.feed_forward(enter(x, self.norm3))), self.norm3)
        return x, now


def check_order(order: str) -> None:
    """Refuse an order that there is not.

    Raises:
        UsageError: Names the nearest.
    """
    if order not in ORDERS:
        raise UsageError(f'there is no order of norms "{order}"', remedy=unknown("order", order, list(ORDERS)))
