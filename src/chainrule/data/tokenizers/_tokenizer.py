"""What a tokenizer is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, Self

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.data.tokenizers._vocabulary import Vocabulary


class Tokenizer(Protocol):
    """Text -> tokens -> text. `vocabulary` names the tokens, the special ones among them."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    def encode(self, text: str) -> Int64[Tensor, " n"]:
        """Return the tokens of a text; none of them is a special one but the unknown."""

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens, without the special ones."""

    def to_json(self) -> str:
        """Return what `read_tokenizer` makes the same tokenizer of."""

    def with_mask(self) -> Self:
        """Return the same tokenizer with a mask in its vocabulary, after all other tokens."""

    def encode_around(self, pieces: Sequence[str]) -> Int64[Tensor, " n"]:
        """Return the tokens of pieces of a text, with the mask between each two; it needs to be in the vocabulary."""


def around_masks(pieces: Sequence[Tensor], vocabulary: Vocabulary) -> Int64[Tensor, " n"]:
    """Return rows of tokens behind each other, with the mask between each two.

    Raises:
        UsageError: The vocabulary has none.

    Example:
        >>> vocabulary = Vocabulary.of(["by", "sea"]).with_mask()
        >>> around_masks([torch.tensor([4]), torch.tensor([5])], vocabulary).tolist()
        [4, 6, 5]
    """
    if vocabulary.mask is None:
        raise UsageError("the vocabulary has no mask", expected="that of a network which learned masked words")
    mask = torch.tensor([vocabulary.mask])
    between = [row for piece in pieces for row in (mask, piece)]
    return torch.cat(between[1:]) if between else torch.empty(0, dtype=torch.int64)
