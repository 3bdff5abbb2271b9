"""Texts into classes by a transformer's encoder."""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.data.tokenizers import PADDING
from chainrule.models.sequence._text_encoder import Read, TextEncoder
from chainrule.nn._pool_places import mean_of


class TextTransformer(TextEncoder):
    """Embedding, blocks of self-attention over all tokens of a text, scores from what they have become.

    Args:
        vocabulary: How many tokens there are.
        classes: How many classes there are.
        width: Numbers of a token.
        layers: Blocks.
        num_heads: Attentions side by side in a block.
        hidden: Numbers between the two layers of a feed-forward network; 0: four times `width`.
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
        width: int = 64,
        layers: int = 2,
        num_heads: int = 4,
        hidden: int = 0,
        activation: str = "gelu",
        dropout: float = 0.0,
        order: str = "pre",
        positions: str = "learned",
        length: int = 512,
        read: Read = "mean",
    ) -> None:
        super().__init__(
            "text_transformer",
            vocabulary,
            width=width,
            layers=layers,
            num_heads=num_heads,
            hidden=hidden,
            activation=activation,
            dropout=dropout,
            order=order,
            positions=positions,
            length=length,
            read=read,
        )
        self.head = nn.Linear(width, classes)
        nn.init.normal_(self.embed.weight, std=0.02)

    def forward(self, tokens: Int64[Tensor, "b t"]) -> Float[Tensor, "b k"]:
        """Return the scores of the classes.

        Raises:
            UsageError: A text is longer than a learned table of positions.
        """
        tokens = self.started(tokens)
        found = self.encoded(tokens)  # (B, T, D)
        pooled = found[:, 0] if self.read == "first" else mean_of(found, tokens != PADDING)
        scores: Tensor = self.head(pooled)
        return scores
