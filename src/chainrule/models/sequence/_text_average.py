"""Texts into classes by the average of their tokens' embeddings."""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.data.tokenizers import PADDING
from chainrule.models._checks import check_counts, check_share
from chainrule.nn._pool_places import mean_of


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
