"""Texts as vectors of numbers: one-hot tokens, and bags of words as counts, as 0 and 1, or weighted (tf-idf)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from chainrule.core.errors import DataError, UsageError, unknown
from chainrule.data.tokenizers import END, PADDING, START, UNKNOWN

Weighting = Literal["counts", "binary", "tf-idf"]
WEIGHTINGS = get_args(Weighting)
SPECIAL = (PADDING, UNKNOWN, START, END)
"""Tokens that stand in no bag: of each text they say nothing."""


def one_hot(
    tokens: Int64[Tensor, "*n"], vocabulary: int, *, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "*n vocabulary"]:
    """Return a vector of zeros with a one at the token's place, for each token.

    Args:
        tokens: Indices, 0 to vocabulary - 1.
        vocabulary: How many tokens there are.
        dtype: Of the result.

    Raises:
        DataError: A token is none of the vocabulary.

    Example:
        >>> one_hot(torch.tensor([2, 0]), 3).tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]

    Source:
        LECTURES A9, G5.
    """
    _check_tokens(tokens, vocabulary)
    result = torch.zeros((*tokens.shape, vocabulary), dtype=dtype, device=tokens.device)
    return result.scatter_(-1, tokens.unsqueeze(-1), 1.0)


class BagOfWords:
    """A text as the tokens that stand in it, whatever their order: one number a token of the vocabulary.

    counts: how often it occurs. binary: 1 where it occurs. tf-idf: counts * idf, each text scaled to length 1, with
    idf = ln((1 + n) / (1 + texts that have the token)) + 1 over the n texts that it was fitted to.

    Padding, unknown, start and end do not count, so a text gives the same numbers however far it is padded.

    Args:
        vocabulary: How many tokens there are.
        weighting: counts, binary or tf-idf.
        idf: (vocabulary,) the weights of tf-idf; see `fitted`.

    Raises:
        UsageError: An unknown weighting, or weights that do not go with it.

    Example:
        >>> bag = BagOfWords(7)
        >>> bag(torch.tensor([[5, 4, 5, 0], [6, 1, 0, 0]])).tolist()
        [[0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]

    Source:
        LECTURES A9, G5. The smoothed idf: Salton, Buckley: Term-weighting approaches (1988), as scikit-learn has it.
    """

    def __init__(
        self, vocabulary: int, *, weighting: Weighting = "counts", idf: Float64[Tensor, " v"] | None = None
    ) -> None:
        if weighting not in WEIGHTINGS:
            raise UsageError(
                f'there is no weighting "{weighting}"', remedy=unknown("weighting", str(weighting), WEIGHTINGS)
            )
        if (idf is not None) != (weighting == "tf-idf") or (idf is not None and idf.shape != (vocabulary,)):
            raise UsageError(
                "the weights of tf-idf are those of the vocabulary, and of nothing else",
                expected=f"idf of shape ({vocabulary},) with tf-idf, none otherwise",
                got=f"{weighting} with {'none' if idf is None else tuple(idf.shape)}",
            )
        self.vocabulary, self.weighting, self.idf = vocabulary, weighting, idf

    @classmethod
    def fitted(cls, texts: Iterable[Tensor], vocabulary: int, *, weighting: Weighting = "counts") -> BagOfWords:
        """Return a bag whose weights, if it has any, come from texts.

        Args:
            texts: The tokens (n,) of each text of the training part; read once.
            vocabulary: How many tokens there are.
            weighting: counts, binary or tf-idf.

        Raises:
            DataError: There are no texts.
        """
        if weighting != "tf-idf":
            return cls(vocabulary, weighting=weighting)
        number, having = 0, torch.zeros(vocabulary, dtype=torch.float64)
        for tokens in texts:
            _check_tokens(tokens, vocabulary)
            having[tokens.unique()] += 1
            number += 1
        if not number:
            raise DataError("there are no texts to weigh words by", expected="at least one")
        return cls(vocabulary, weighting=weighting, idf=torch.log((1 + number) / (1 + having)) + 1)

    def __call__(self, tokens: Int64[Tensor, "b t"]) -> Float[Tensor, "b v"]:
        """Return the numbers of some texts, padded to one length; padding counts nothing."""
        _check_tokens(tokens, self.vocabulary)
        shape = tokens.shape[0], self.vocabulary  # len() would fix the batch of a graph
        counts = torch.zeros(shape, device=tokens.device)
        counts.scatter_add_(1, tokens, _counts(tokens).float())
        if self.weighting == "binary":
            return counts.clamp_(max=1)
        if self.idf is None:
            return counts
        weighted = counts * self.idf.to(counts)
        return weighted / weighted.norm(dim=1, keepdim=True).clamp_min(1e-12)


def _counts(tokens: Tensor) -> Bool[Tensor, "b t"]:
    """Which tokens count."""
    return (tokens.unsqueeze(-1) != torch.tensor(SPECIAL, device=tokens.device)).all(-1)  # ONNX has no isin


def _check_tokens(tokens: Tensor, vocabulary: int) -> None:
    if torch.compiler.is_exporting():  # a graph cannot ask what the numbers are
        return
    if tokens.numel() and not (tokens.min() >= 0 and tokens.max() < vocabulary):
        got = int(tokens.min()) if int(tokens.min()) < 0 else int(tokens.max())
        raise DataError("a token is none of the vocabulary", expected=f"0 to {vocabulary - 1}", got=got)
