"""Attention in several heads: of a sequence to itself, and to another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.nn.attention._attend import attend, attention_weights

Turn = Callable[[Tensor, int], Tensor]
"""`(queries or keys of a head, first position) -> the same with their positions`, such as `rotary`."""


class KeysValues(NamedTuple):
    """What was read: (B, heads, N, D / heads) each."""

    keys: Tensor
    values: Tensor


class SelfAttention(nn.Module):
    """Each token looks at the tokens of its own sequence.

    Args:
        dim: Numbers of a token, D.
        num_heads: Attentions side by side, each over D / num_heads numbers.
        causal: Whether no token looks at one after it.
        dropout: Probability of dropping a weight while training.
        turn: What gives queries and keys their positions, such as `rotary`.

    Raises:
        UsageError: The heads do not divide the numbers.

    Example:
        >>> layer = SelfAttention(8, 2, causal=True)
        >>> x = torch.randn(1, 4, 8)
        >>> whole, _ = layer(x)
        >>> first, read = layer(x[:, :3])
        >>> last, _ = layer(x[:, 3:], read)
        >>> torch.allclose(torch.cat([first, last], 1), whole, atol=1e-6)
        True

    Source:
        LECTURES H2-H4; Vaswani et al. 2017, 3.2.2.
    """

    def __init__(
        self, dim: int, num_heads: int, *, causal: bool = False, dropout: float = 0.0, turn: Turn | None = None
    ) -> None:
        super().__init__()
        check_heads(dim, num_heads)
        self.num_heads, self.causal, self.turn = num_heads, causal, turn
        self.project = nn.Linear(dim, 3 * dim)  # queries, keys, values in one product
        self.out = nn.Linear(dim, dim)
        self.drop = nn.Dropout(dropout)  # says how many weights are dropped; the kernel itself drops them
        begin_projections(self.project, 3)
        begin_projections(self.out, 1)

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        read: KeysValues | None = None,
        *,
        mask: Bool[Tensor, ...] | None = None,
    ) -> tuple[Float[Tensor, "b t d"], KeysValues]:
        """Return what each token gathered, and the keys and values read so far.

        Args:
            x: Tokens; those after what was read.
            read: Keys and values of the tokens before them.
            mask: True where a key may be looked at, spread over (B, heads, T, N).
        """
        q, now = self._projected(x, read)
        found = attend(q, now.keys, now.values, mask=mask, causal=self.causal, dropout=share(self.drop))
        return self.out(joined(found)), now

    def weights(
        self,
        x: Float[Tensor, "b t d"],
        read: KeysValues | None = None,
        *,
        mask: Bool[Tensor, ...] | None = None,
    ) -> Float[Tensor, "b h t n"]:
        """Return what each token looks at in each head: the rows sum to 1."""
        q, now = self._projected(x, read)
        return attention_weights(q, now.keys, mask=mask, causal=self.causal)

    def _projected(self, x: Tensor, read: KeysValues | None) -> tuple[Tensor, KeysValues]:
        q, k, v = (split(part, self.num_heads) for part in self.project(x).chunk(3, dim=-1))
        if self.turn is not None:
            first = 0 if read is None else read.keys.shape[-2]
            q, k = self.turn(q, first), self.turn(k, first)
        if read is not None:
            k, v = torch.cat([read.keys, k], dim=-2), torch.cat([read.values, v], dim=-2)
        return q, KeysValues(k, v)


class CrossAttention(nn.Module):
    """Each token looks at another sequence, the memory.

    Args:
        dim: Numbers of a token.
        num_heads: Attentions side by side.
        memory_dim: Numbers of a token of the memory; `dim` when left out.
        dropout: Probability of dropping a weight while training.

    Source:
        LECTURES H5.
    """

    def __init__(self, dim: int, num_heads: int, *, memory_dim: int | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        check_heads(dim, num_heads)
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.remember = nn.Linear(memory_dim or dim, 2 * dim)  # keys and values in one product
        self.out = nn.Linear(dim, dim)
        self.drop = nn.Dropout(dropout)
        for layer, count in ((self.query, 1), (self.remember, 2), (self.out, 1)):
            begin_projections(layer, count)

    def read(self, memory: Float[Tensor, "b n e"]) -> KeysValues:
        """Return keys and values of a memory, which stay the same for every token that is written."""
        keys, values = (split(part, self.num_heads) for part in self.remember(memory).chunk(2, dim=-1))
        return KeysValues(keys, values)

    def forward(
        self, x: Float[Tensor, "b t d"], memory: KeysValues, *, mask: Bool[Tensor, ...] | None = None
    ) -> Float[Tensor, "b t d"]:
        """Return what each token gathered from the memory, as `read` gave it."""
        q = split(self.query(x), self.num_heads)
        found: Tensor = self.out(joined(attend(q, memory.keys, memory.values, mask=mask, dropout=share(self.drop))))
        return found

    def weights(
        self, x: Float[Tensor, "b t d"], memory: KeysValues, *, mask: Bool[Tensor, ...] | None = None
    ) -> Float[Tensor, "b h t n"]:
        """Return what each token looks at in each head."""
        return attention_weights(split(self.query(x), self.num_heads), memory.keys, mask=mask)


def share(drop: nn.Dropout) -> float:
    """Which share is dropped now."""
    return drop.p if drop.training else 0.0


def split(x: Float[Tensor, "b t d"], num_heads: int) -> Float[Tensor, "b h t e"]:
    """(B, T, D) -> (B, heads, T, D / heads)."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def joined(x: Float[Tensor, "b h t e"]) -> Float[Tensor, "b t d"]:
    """(B, heads, T, D / heads) -> (B, T, D)."""
    return x.transpose(1, 2).flatten(2)


def check_heads(dim: int, num_heads: int) -> None:
    """Refuse heads that do not divide the numbers.

    Raises:
        UsageError: They do not.
    """
    if num_heads < 1 or dim % num_heads:
        raise UsageError(
            "the heads do not divide the numbers of a token", expected=f"a divisor of {dim}", got=num_heads
        )


@torch.no_grad()
def begin_projections(layer: nn.Linear, count: int) -> None:
    """Draw each of the matrices that stand under each other in a layer as one of its own."""
    for part in layer.weight.chunk(count):
        nn.init.xavier_uniform_(part)
    nn.init.zeros_(layer.bias)
