"""Decoder-only transformers: each token is scored from those before it."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.models._checks import check_share
from chainrule.models.sequence._placed import ACTIVATIONS, check_placing, check_sizes, placed, position_table
from chainrule.nn.attention import FeedForward, SelfAttention, SelfBlock, rotary
from chainrule.nn.attention._multi_head import KeysValues
from chainrule.nn.attention._stack import last_norm


class GPT(nn.Module):
    """Embedding, blocks of causal self-attention, scores of the next token.

    Args:
        vocabulary: How many tokens there are.
        width: Numbers of a token.
        layers: Blocks.
        num_heads: Attentions side by side in a block.
        hidden: Numbers between the two layers of a feed-forward network; 0: four times `width`.
        activation: Of the feed-forward networks: gelu, gelu-tanh (GPT-2) or relu.
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
        width: int = 160,
        layers: int = 4,
        num_heads: int = 5,
        hidden: int = 0,
        activation: str = "gelu",
        dropout: float = 0.0,
        order: str = "pre",
        positions: str = "rotary",
        join: str = "add",
        length: int = 1024,
        tie: bool = True,
    ) -> None:
        super().__init__()
        check_share(dropout)
        check_placing("gpt", order=order, positions=positions, join=join, activation=activation, tie=tie)
        check_sizes("gpt", width, layers=layers, num_heads=num_heads, hidden=hidden, positions=positions, length=length)
        turn = rotary if positions == "rotary" else None
        size, self.positions = position_table(positions, join, width, length)
        self.embed = nn.Embedding(vocabulary, size)
        self.join = join
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            SelfBlock(
                SelfAttention(width, num_heads, causal=True, dropout=dropout, turn=turn),
                FeedForward(width, hidden or 4 * width, activation=ACTIVATIONS[activation], dropout=dropout),
                width,
                order=order,
                dropout=dropout,
            )
            for _ in range(layers)
        )
        self.norm = last_norm(width, order)
        self.head = nn.Linear(width, vocabulary, bias=False)
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
        x = self.drop(placed(self.embed(tokens), first, self.positions, self.join))
        after: dict[str, Tensor] = {}
        for number, block in enumerate(self.blocks):
            read = KeysValues(state[f"keys.{number}"], state[f"values.{number}"]) if state else None
            x, now = block(x, read)
            after[f"keys.{number}"], after[f"values.{number}"] = now
        return self.head(self.norm(x)), after
