"""Hidden words of a text from all the others, by a transformer's encoder: what a classifier can begin with."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from chainrule.data.masked_texts import Blanks
from chainrule.models.sequence._placed import ACTIVATIONS
from chainrule.models.sequence._text_encoder import Read, TextEncoder
from chainrule.models.sequence._text_transformer import TextTransformer

OWN_PARTS = ("transform.", "words.")
"""How the names of the weights begin that a classifier has no use for."""


class MaskedTransformer(TextEncoder):
    """Embedding, blocks of self-attention over all tokens of a text, scores of the words that are hidden.

    The encoder is that of `text_transformer`, under the same names.

    Args:
        vocabulary: How many tokens there are, the mask among them.
        width: Numbers of a token.
        layers: Blocks.
        num_heads: Attentions side by side in a block.
        hidden: Numbers between the two layers of a feed-forward network; 0: four times `width`.
        activation: Of the feed-forward networks: relu, gelu or gelu-tanh.
        dropout: On the embeddings, the attention's weights, and what each part adds.
        order: Where the norm stands: pre, post (the paper) or inner (003's text).
        positions: rotary, learned, sinusoidal, naive or none.
        length: Positions of a table, where positions have one; a text may not be longer.
        read: What a classifier will read that begins with these weights: with `first` a start token stands before the
            first.
        tie: Whether scores are taken with the embeddings' own weights.

    Raises:
        RecipeError: Options that do not go together.

    Shapes:
        `Blanks`: tokens (B, T), padded with 0, and P places -> scores (P, vocabulary).

    Source:
        LECTURES H9. Devlin et al. 2018, BERT, 3.1; its second objective, which sentence follows, is left out, as Liu
        et al. 2019 (RoBERTa, 4.2) do.
    """

    def __init__(
        self,
        vocabulary: int,
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
        tie: bool = True,
    ) -> None:
        super().__init__(
            "masked_transformer",
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
        self.transform = nn.Sequential(nn.Linear(width, width), ACTIVATIONS[activation](), nn.LayerNorm(width))
        self.words = nn.Linear(width, vocabulary)
        nn.init.normal_(self.embed.weight, std=0.02)
        nn.init.normal_(self.words.weight, std=0.02)
        nn.init.zeros_(self.words.bias)
        if tie:
            self.words.weight = self.embed.weight

    def forward(self, blanks: Blanks) -> Float[Tensor, "p v"]:
        """Return the scores of the words that may stand at the places that are asked for.

        Only these are computed: with many words, scores take longer than the blocks.

        Raises:
            UsageError: A text is longer than a learned table of positions.
        """
        tokens = blanks.tokens
        found = self.encoded(self.started(tokens))
        found = found[:, -tokens.shape[1] :].flatten(0, 1)  # (B T, D)
        scores: Tensor = self.words(self.transform(found[blanks.places]))
        return scores


def is_masked_transformer(tensors: Mapping[str, Tensor]) -> bool:
    """Whether weights are those of a network that has learned masked words."""
    return all(any(name.startswith(part) for name in tensors) for part in OWN_PARTS)


def classifier_from_masked(model: TextTransformer, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a classifier: the encoder is what masked words have taught, the head is its own.

    Args:
        model: Whose head stays as it was drawn.
        tensors: Of a `MaskedTransformer`.

    Example:
        >>> import torch
        >>> form = {"width": 4, "layers": 1, "num_heads": 2}
        >>> found = classifier_from_masked(TextTransformer(9, 2, **form), MaskedTransformer(9, **form).state_dict())
        >>> sorted(found)[0], [name for name in found if "head" in name]
        ('embed.weight', ['head.weight', 'head.bias'])

    Source:
        LECTURES H9, I1. Devlin et al. 2018, BERT, 4.
    """
    head = {name: value for name, value in model.state_dict().items() if name.startswith("head.")}
    return {**{name: value for name, value in tensors.items() if not name.startswith(OWN_PARTS)}, **head}
