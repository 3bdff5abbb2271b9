"""Texts into classes by the words that stand in them, whatever their order."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.core.errors import RecipeError, unknown
from chainrule.data.text_features import WEIGHTINGS, BagOfWords, Weighting
from chainrule.models._checks import check_share


class TextBag(nn.Module):
    """scores = W bag(text) + b: each token of the vocabulary speaks for and against each class.

    Args:
        vocabulary: How many tokens there are.
        classes: How many classes there are.
        weighting: What stands for a token: counts, binary (1 where it occurs), or tf-idf, which counts a token the less
            the more training texts have it, and gives every text the same length.
        dropout: On the numbers of the bag.

    Raises:
        RecipeError: Options out of their range.

    Shapes:
        tokens (B, T), padded with 0 -> scores (B, classes).

    Source:
        LECTURES A3, A9.
    """

    idf: Tensor

    def __init__(self, vocabulary: int, classes: int, *, weighting: Weighting = "counts", dropout: float = 0.0) -> None:
        super().__init__()
        check_share(dropout)
        if weighting not in WEIGHTINGS:
            remedy = unknown("weighting", str(weighting), WEIGHTINGS)
            raise RecipeError(f'bag_of_words: there is no weighting "{weighting}"', remedy=remedy)
        self.weighting: Weighting = weighting
        self.register_buffer("idf", torch.ones(vocabulary) if weighting == "tf-idf" else None)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(vocabulary, classes)
        nn.init.zeros_(self.head.weight)  # a word that was never seen says nothing
        nn.init.zeros_(self.head.bias)

    def prepare(self, inputs: Iterable[Tensor]) -> None:
        """Weigh the tokens by how many of the training texts have them.

        Args:
            inputs: The tokens (n,) of each text.
        """
        fitted = BagOfWords.fitted(inputs, self.head.in_features, weighting=self.weighting)
        if fitted.idf is not None:
            self.idf = fitted.idf.to(self.head.weight)

    def forward(self, tokens: Int64[Tensor, "b t"]) -> Float[Tensor, "b k"]:
        """Return the scores of the classes."""
        idf = self.idf.double() if self.weighting == "tf-idf" else None
        bag = BagOfWords(self.head.in_features, weighting=self.weighting, idf=idf)
        scores: Tensor = self.head(self.drop(bag(tokens).to(self.head.weight)))
        return scores
