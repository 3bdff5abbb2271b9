"""Word vectors: words that stand together have vectors that point the same way."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.errors import RecipeError
from chainrule.data.tokenizers import PADDING
from chainrule.data.word_pairs import Questions
from chainrule.nn._candidate_scores import candidate_scores

IMPOSSIBLE = -1e4
"""The score of a candidate that is none; finite, so that a loss stays so, and without a gradient."""


class WordEmbedding(nn.Module):
    """score = (mean of the vectors of the words that are known) . (the other vector of a candidate).

    Each word has two vectors: `embed` is what is used afterwards, `context` asks which words stand beside it.

    Args:
        vocabulary: How many tokens there are.
        dim: Numbers of a vector.

    Raises:
        RecipeError: The vectors have no numbers.

    Shapes:
        pairs of inputs (P, C) and candidates (P, K) -> scores (P, K).

    Source:
        LECTURES G5. Mikolov et al.: Distributed representations of words and phrases (2013).
    """

    def __init__(self, vocabulary: int, *, dim: int = 100) -> None:
        super().__init__()
        if dim < 1:
            raise RecipeError("word vectors have numbers", expected="dim at least 1", got=dim)
        self.embed = nn.EmbeddingBag(vocabulary, dim, mode="mean", padding_idx=PADDING)
        self.context = nn.Embedding(vocabulary, dim)
        nn.init.uniform_(self.embed.weight, -0.5 / dim, 0.5 / dim)
        nn.init.zeros_(self.context.weight)
        with torch.no_grad():
            self.embed.weight[PADDING] = 0

    def forward(self, pairs: Questions) -> Float[Tensor, "p k"]:
        """Return the score of each candidate; very low where it is padding."""
        known = self.embed(pairs.inputs)  # (P, D)
        scores = candidate_scores(known, self.context.weight, pairs.candidates)
        return scores.masked_fill(pairs.candidates == PADDING, IMPOSSIBLE)
