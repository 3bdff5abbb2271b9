"""Texts into classes by the average of their tokens' embeddings."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from chainrule.core.errors import RecipeError
from chainrule.data.tokenizers import PADDING
from chainrule.models._checks import check_share


class TextAverage(nn.Module):
    """scores = head(mean of the embeddings).

    Args:
        vocabulary: How many tokens there are.
        classes: How many classes there are.
        embedding: Numbers that stand for a token.
        hidden: Widths of hidden layers between the mean and the scores.
        dropout: On the embeddings and on the hidden layers.

    Raises:
        RecipeError: Options out of their range.

    Shapes:
        tokens (B, T), padded with 0 -> scores (B, classes).

    Source:
        LECTURES A9, G5. Iyyer et al.: Deep unordered composition rivals syntactic methods (2015).
    """

    def __init__(
        self, vocabulary: int, classes: int, *, embedding: int = 64, hidden: tuple[int, ...] = (), dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_share(dropout)
        check_counts("text_average", embedding=embedding, **{f"hidden {i + 1}": size for i, size in enumerate(hidden)})
        self.embed = nn.Embedding(vocabulary, embedding)
        self.drop = nn.Dropout(dropout)
        layers: list[nn.Module] = []
        for before, after in pairwise((embedding, *hidden)):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear((embedding, *hidden)[-1], classes)
        nn.init.uniform_(self.embed.weight, -0.1, 0.1)

    def forward(self, tokens: Int64[Tensor, "b t"]) -> Float[Tensor, "b k"]:
        """Return the scores of the classes."""
        average = mean_of(self.drop(self.embed(tokens)), tokens != PADDING)
        scores: Tensor = self.head(self.hidden(average))
        return scores


def mean_of(x: Float[Tensor, "b t d"], there: Bool[Tensor, "b t"]) -> Float[Tensor, "b d"]:
    """Return the mean over the places that hold something; 0 where none does.

    Example:
        >>> mean_of(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]])).tolist()
        [[2.0]]
    """
    total = x.masked_fill(~there.unsqueeze(2), 0.0).sum(1)
    return total / there.sum(1, keepdim=True).clamp(min=1)


def max_of(x: Float[Tensor, "b t d"], there: Bool[Tensor, "b t"]) -> Float[Tensor, "b d"]:
    """Return the greatest value of each number over the places that hold something; 0 where none does.

    Example:
        >>> max_of(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]])).tolist()
        [[3.0]]
    """
    greatest = x.masked_fill(~there.unsqueeze(2), -torch.inf).amax(1)
    return greatest.masked_fill(~there.any(1, keepdim=True), 0.0)


def check_counts(model: str, **given: int) -> None:
    """Check sizes of a network.

    Raises:
        RecipeError: One is below 1.
    """
    for name, value in given.items():
        if value < 1:
            raise RecipeError(f"{model}: nothing can be built", expected=f"{name} at least 1", got=value)
