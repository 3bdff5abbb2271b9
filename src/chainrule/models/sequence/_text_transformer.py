"""Texts into classes by a transformer's encoder."""

from __future__ import annotations

from typing import Literal, get_args

from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from chainrule.core.errors import RecipeError, unknown
from chainrule.data.tokenizers import PADDING, START
from chainrule.models._checks import check_share
from chainrule.models.sequence._placed import ACTIVATIONS, check_heads, check_placing, placed, position_table
from chainrule.models.sequence._text_average import check_counts, mean_of
from chainrule.nn.attention import rotary
from chainrule.nn.attention._stack import Encoder

Read = Literal["mean", "first"]
READS = get_args(Read)


class TextTransformer(nn.Module):
    """Embedding, blocks of self-attention over all tokens of a text, scores from what they have become.

    Args:
        vocabulary: How many tokens there are.
        classes: How many classes there are.
        dim: Numbers of a token.
        depth: Blocks.
        num_heads: Attentions side by side in a block.
        hidden: Numbers between the two layers of a feed-forward network; 0: four times `dim`.
        activation: Of the feed-forward networks: relu, gelu or gelu-tanh.
        dropout: On the embeddings, the attention's weights, and what each part adds.
        order: Where the norm stands: pre, post (the paper) or inner (003's text).
        positions: rotary, learned, sinusoidal, naive or none.
        length: Positions of a table, where positions have one; a text may not be longer.
        read: What the scores are taken from: the mean of all tokens, or a start token that stands before the first.

    Raises:
        RecipeError: Options that do not go together.

    Shapes:
        tokens (B, T), padded with 0 -> scores (B, classes).

    Source:
        LECTURES H3, H6-H9 (encoder only). The first place: Devlin et al. 2019.
    """

    def __init__(
        self,
        vocabulary: int,
        classes: int,
        *,
        dim: int = 64,
        depth: int = 2,
        num_heads: int = 4,
        hidden: int = 0,
        activation: str = "gelu",
        dropout: float = 0.0,
        order: str = "pre",
        positions: str = "learned",
        length: int = 512,
        read: Read = "mean",
    ) -> None:
        super().__init__()
        check_share(dropout)
        check_counts("text_transformer", length=length)
        check_placing("text_transformer", order=order, positions=positions, join="add", activation=activation, tie=())
        check_heads("text_transformer", dim, depth=depth, num_heads=num_heads, positions=positions)
        if read not in READS:
            raise RecipeError(f'text_transformer: there is no read "{read}"', remedy=unknown("read", read, READS))
        self.read = read
        self.embed = nn.Embedding(vocabulary, dim)
        _, self.positions = position_table(positions, "add", dim, length + (read == "first"))
        self.drop = nn.Dropout(dropout)
        self.encoder = Encoder(
            dim,
            num_heads=num_heads,
            depth=depth,
            hidden=hidden,
            activation=ACTIVATIONS[activation],
            dropout=dropout,
            order=order,
            turn=rotary if positions == "rotary" else None,
        )
        self.head = nn.Linear(dim, classes)
        nn.init.normal_(self.embed.weight, std=0.02)

    def forward(self, tokens: Int64[Tensor, "b t"]) -> Float[Tensor, "b k"]:
        """Return the scores of the classes.

        Raises:
            UsageError: A text is longer than a learned table of positions.
        """
        if self.read == "first":
            tokens = functional.pad(tokens, (1, 0), value=START)
        found = self.encoded(tokens)  # (B, T, D)
        pooled = found[:, 0] if self.read == "first" else mean_of(found, tokens != PADDING)
        scores: Tensor = self.head(pooled)
        return scores

    def encoded(self, tokens: Int64[Tensor, "b t"]) -> Float[Tensor, "b t d"]:
        """Return what the tokens have become after the last block."""
        mask = (tokens != PADDING)[:, None, None, :]  # as `padding_mask` has it
        x = self.drop(placed(self.embed(tokens), 0, self.positions, "add"))
        found: Tensor = self.encoder(x, mask)
        return found
