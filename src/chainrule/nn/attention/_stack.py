"""Blocks of transformers on top of each other: what reads a sequence, and what writes one beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxtyping import Bool, Float
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.nn.attention._block import CrossBlock, FeedForward, SelfBlock, check_order
from chainrule.nn.attention._multi_head import CrossAttention, KeysValues, SelfAttention, Turn


class Encoder(nn.Module):
    """Blocks of self-attention; each token looks at all others.

    Args:
        dim: Numbers of a token, D.
        num_heads: Attentions side by side in a block.
        depth: Blocks, N.
        hidden: Numbers between the two layers of a feed-forward network; 0: four times `dim`.
        activation: Of the feed-forward networks: `nn.ReLU` (the paper), `nn.GELU`.
        dropout: On the attention's weights, the hidden numbers, and what each part adds.
        order: Where the norm stands: "pre", "post" or "inner"; after the last block stands one more, except where the
            order itself ends with one.
        turn: What gives queries and keys their positions, such as `rotary`.

    Raises:
        UsageError: No block, heads that do not divide the numbers, or an order that there is not.

    Example:
        >>> import torch
        >>> Encoder(8, num_heads=2, depth=2)(torch.randn(3, 5, 8)).shape
        torch.Size([3, 5, 8])

    Source:
        LECTURES H8, H9; Vaswani et al. 2017, 3.1: N = 6, D = 512, 8 heads, 2048 hidden.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        depth: int,
        hidden: int = 0,
        activation: Callable[[], nn.Module] = nn.GELU,
        dropout: float = 0.0,
        order: str = "pre",
        turn: Turn | None = None,
    ) -> None:
        super().__init__()
        _check_depth(depth)
        self.blocks = nn.ModuleList(
            SelfBlock(
                SelfAttention(dim, num_heads, dropout=dropout, turn=turn),
                FeedForward(dim, hidden or 4 * dim, activation=activation, dropout=dropout),
                dim,
                order=order,
                dropout=dropout,
            )
            for _ in range(depth)
        )
        self.norm = last_norm(dim, order)

    def forward(self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, ...] | None = None) -> Float[Tensor, "b n d"]:
        """Return the tokens after the last block.

        Args:
            x: Tokens with their positions.
            mask: True where a token may be looked at, spread over (B, heads, N, N): `padding_mask`. What stands at
                tokens that nobody may look at means nothing.
        """
        for block in self.blocks:
            x, _ = block(x, mask=mask)
        found: Tensor = self.norm(x)
        return found


class Decoder(nn.Module):
    """Blocks of causal self-attention and of attention to a memory: each token is made of those before it.

    Args:
        dim: Numbers of a token, D.
        num_heads: Attentions side by side in a block.
        depth: Blocks, N.
        memory_dim: Numbers of a token of the memory; `dim` when left out.
        hidden: Numbers between the two layers of a feed-forward network; 0: four times `dim`.
        activation: Of the feed-forward networks: `nn.ReLU` (the paper), `nn.GELU`.
        dropout: On the attention's weights, the hidden numbers, and what each part adds.
        order: As `Encoder` has it.
        turn: What gives queries and keys of the tokens (not of the memory) their positions, such as `rotary`.

    Raises:
        UsageError: No block, heads that do not divide the numbers, or an order that there is not.

    Example:
        >>> import torch
        >>> decoder = Decoder(8, num_heads=2, depth=2, memory_dim=6)
        >>> memory, x = decoder.read(torch.randn(1, 7, 6)), torch.randn(1, 4, 8)
        >>> whole, _ = decoder(x, memory)
        >>> first, read = decoder(x[:, :3], memory)
        >>> last, _ = decoder(x[:, 3:], memory, read)
        >>> torch.allclose(torch.cat([first, last], 1), whole, atol=1e-6)
        True

    Source:
        LECTURES H4, H5, H8, H9; Vaswani et al. 2017, 3.1.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        depth: int,
        memory_dim: int | None = None,
        hidden: int = 0,
        activation: Callable[[], nn.Module] = nn.GELU,
        dropout: float = 0.0,
        order: str = "pre",
        turn: Turn | None = None,
    ) -> None:
        super().__init__()
        _check_depth(depth)
        self.blocks = nn.ModuleList(
            CrossBlock(
                SelfAttention(dim, num_heads, causal=True, dropout=dropout, turn=turn),
                CrossAttention(dim, num_heads, memory_dim=memory_dim, dropout=dropout),
                FeedForward(dim, hidden or 4 * dim, activation=activation, dropout=dropout),
                dim,
                order=order,
                dropout=dropout,
            )
            for _ in range(depth)
        )
        self.norm = last_norm(dim, order)

    def read(self, memory: Float[Tensor, "b n e"]) -> list[KeysValues]:
        """Return each block's keys and values of a memory, which stay the same for every token that is written."""
        return [block.cross.read(memory) for block in self.blocks]  # type: ignore[union-attr, operator]

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        memory: Sequence[KeysValues],
        read: Sequence[KeysValues] | None = None,
        *,
        mask: Bool[Tensor, ...] | None = None,
        memory_mask: Bool[Tensor, ...] | None = None,
    ) -> tuple[Float[Tensor, "b t d"], list[KeysValues]]:
        """Return the tokens after the last block, and each block's keys and values of the tokens read so far.

        Args:
            x: Tokens with their positions; those after what was read.
            memory: Keys and values of the other sequence, from `read`.
            read: Keys and values of the tokens before x, as the last call gave them.
            mask: True where a token may be looked at beside being no later one, spread over (B, heads, T, N). Where
                padding stands at the end, none is needed: nothing before it sees it.
            memory_mask: True where the memory may be looked at, spread over (B, heads, T, N): `padding_mask`.
        """
        after = []
        for number, block in enumerate(self.blocks):
            before = read[number] if read is not None else None
            x, now = block(x, memory[number], before, mask=mask, memory_mask=memory_mask)
            after.append(now)
        return self.norm(x), after


def last_norm(dim: int, order: str) -> nn.Module:
    """Return the norm after the last block: none where the order itself ends with one.

    Raises:
        UsageError: There is no such order.
    """
    check_order(order)
    return nn.Identity() if order == "post" else nn.LayerNorm(dim)


def _check_depth(depth: int) -> None:
    if depth < 1:
        raise UsageError("a transformer needs blocks", expected="depth at least 1", got=depth)
