"""Decoder-only transformers: each token is scored from those before it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.core.errors import RecipeError, unknown
from chainrule.models._checks import check_share
from chainrule.nn.attention import ORDERS, POSITIONS, FeedForward, SelfAttention, SelfBlock, rotary
from chainrule.nn.attention._multi_head import KeysValues

KNOWN = {"order": list(ORDERS), "positions": ["rotary", *POSITIONS], "join": ["add", "concatenate"]}


class GPT(nn.Module):
    """Embedding, blocks of causal self-attention, scores of the next token.

    Args:
        vocabulary: How many tokens there are.
        dim: Numbers of a token.
        depth: Blocks.
        num_heads: Attentions side by side in a block.
        hidden: Numbers between the two layers of a feed-forward network; 0: four times `dim`.
        dropout: On the embeddings, the attention's weights, and what each part adds.
        order: Where the norm stands: pre, post (the paper) or inner (003's text).
        positions: rotary, learned, sinusoidal, naive or none.
        join: How positions meet the embeddings: add, or concatenate (half of the numbers each).
        length: Positions of a table, where positions have one.
        tie: Whether scores are taken with the embeddings' own weights.

    Raises:
        RecipeError: Options that do not go together.

    Shapes:
        tokens (B, T) and what was read -> scores (B, T, vocabulary) and what has been read now.

    Source:
        LECTURES H4, H6-H9; Radford et al. 2018.
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        dim: int = 160,
        depth: int = 4,
        num_heads: int = 5,
        hidden: int = 0,
        dropout: float = 0.0,
        order: str = "pre",
        positions: str = "rotary",
        join: str = "add",
        length: int = 1024,
        tie: bool = True,
    ) -> None:
        super().__init__()
        check_share(dropout)
        _check_names(order=order, positions=positions, join=join)
        _check_sizes(dim, depth, num_heads, positions)
        if join == "concatenate" and (positions in ("rotary", "none") or tie):
            raise RecipeError(
                "gpt: positions that are concatenated need a table of their own, and embeddings of another size",
                expected="positions learned, sinusoidal or naive, and tie false",
                got=f"positions {positions}, tie {tie}",
            )
        turn = rotary if positions == "rotary" else None
        width = dim // 2 if join == "concatenate" else dim
        self.embed = nn.Embedding(vocabulary, dim - width if join == "concatenate" else dim)
        self.positions = None if turn else POSITIONS[positions](width, length)
        self.join = join
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            SelfBlock(
                SelfAttention(dim, num_heads, causal=True, dropout=dropout, turn=turn),
                FeedForward(dim, hidden or 4 * dim, dropout=dropout),
                dim,
                order=order,
                dropout=dropout,
            )
            for _ in range(depth)
        )
        self.norm = nn.Identity() if order == "post" else nn.LayerNorm(dim)
        self.head = nn.Linear(dim, vocabulary, bias=False)
        nn.init.normal_(self.embed.weight, std=0.02)
        nn.init.normal_(self.head.weight, std=0.02)
        if tie:
            self.head.weight = self.embed.weight

    def forward(
        self, tokens: Int64[Tensor, "b t"], state: Mapping[str, Tensor] | None = None
    ) -> tuple[Float[Tensor, "b t v"], dict[str, Tensor]]:
        """Return the scores of the token after each, and the keys and values of every block.

        Raises:
            UsageError: The sequence is longer than a learned table of positions.
        """
        first = state["keys.0"].shape[-2] if state else 0
        x = self.drop(self._placed(self.embed(tokens), first))
        after: dict[str, Tensor] = {}
        for number, block in enumerate(self.blocks):
            read = KeysValues(state[f"keys.{number}"], state[f"values.{number}"]) if state else None
            x, now = block(x, read)
            after[f"keys.{number}"], after[f"values.{number}"] = now
        return self.head(self.norm(x)), after

    def _placed(self, x: Tensor, first: int) -> Tensor:
        """Tokens with their positions, (B, T, D)."""
        if self.positions is None:
            return x
        places = self.positions(first, x.shape[1]).to(x)  # (T, D)
        if self.join == "add":
            return x + places
        return torch.cat([x, places.expand(len(x), *places.shape)], dim=2)


def _check_names(**given: str) -> None:
    for name, value in given.items():
        if value not in KNOWN[name]:
            raise RecipeError(f'gpt: there is no {name} "{value}"', remedy=unknown(name, value, KNOWN[name]))


def _check_sizes(dim: int, depth: int, num_heads: int, positions: str) -> None:
    pairs = positions == "rotary"
    if depth < 1 or num_heads < 1 or dim < 2 or dim % num_heads or (pairs and (dim // num_heads) % 2):
        raise RecipeError(
            "gpt: heads share the numbers of a token evenly, and rotary positions take them in pairs",
            expected=f"heads that divide dim {dim}" + (", with an even share" if pairs else ""),
            got=f"{num_heads} heads, depth {depth}",
        )
