"""Texts into classes by convolutions over neighboring tokens."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.core.errors import RecipeError
from chainrule.data.tokenizers import PADDING
from chainrule.models._checks import check_counts, check_share
from chainrule.nn._pool_places import max_of


class TextCNN(nn.Module):
    """Embedding, filters over 3, 4 and 5 neighboring tokens, the greatest answer of each, scores.

    Args:
        vocabulary: How many tokens there are.
        classes: How many classes there are.
        embedding: Numbers that stand for a token.
        filters: How many of each width.
        widths: Over how many neighboring tokens the filters go.
        dropout: On the embeddings and before the scores.

    Raises:
        RecipeError: Options out of their range.

    Shapes:
        tokens (B, T), padded with 0 -> scores (B, classes).

    Source:
        Kim: Convolutional neural networks for sentence classification (2014). LECTURES D1 on a sequence.
    """

    def __init__(
        self,
        vocabulary: int,
        classes: int,
        *,
        embedding: int = 64,
        filters: int = 64,
        widths: tuple[int, ...] = (3, 4, 5),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_share(dropout)
        check_counts("text_cnn", embedding=embedding, filters=filters, **{f"width {w}": w for w in widths})
        if not widths:
            raise RecipeError("text_cnn: there are no filters", expected="at least one width", got="none")
        self.embed = nn.Embedding(vocabulary, embedding)
        self.drop_embedding = nn.Dropout(dropout)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding, filters, width, padding=width - 1) for width in widths)
        self.activations = nn.ModuleList(nn.ReLU() for _ in widths)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(filters * len(widths), classes)
        nn.init.uniform_(self.embed.weight, -0.25, 0.25)

    def forward(self, tokens: Int64[Tensor, "b t"]) -> Float[Tensor, "b k"]:
        """Return the scores of the classes."""
        there = tokens != PADDING
        x = self.drop_embedding(self.embed(tokens)) * there.unsqueeze(2)  # padding is 0, as beyond the ends
        found = []
        for convolution, activation in zip(self.convolutions, self.activations):
            given = activation(convolution(x.transpose(1, 2))).transpose(1, 2)  # (B, T + width - 1, filters)
            touched = there.sum(1, keepdim=True) + given.shape[1] - tokens.shape[1]  # places that see a token
            found.append(max_of(given, torch.arange(given.shape[1], device=tokens.device) < touched))
        scores: Tensor = self.head(self.drop(torch.cat(found, dim=1)))
        return scores
