"""What a tokenizer is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from jaxtyping import Int64
from torch import Tensor

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
