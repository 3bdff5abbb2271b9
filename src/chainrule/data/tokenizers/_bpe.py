"""Parts of words as tokens: byte pair encoding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.data.tokenizers._tokenizer import around_masks
from chainrule.data.tokenizers._vocabulary import MASK, SPECIAL, Vocabulary

BYTES = 256
_LINE = re.compile(r"(?<=\S\n)(?=\S)")
"""Where a text can be cut without changing its tokens: after a single line break."""


class BytePairs:
    """Byte pair encoding of UTF-8: frequent sequences of bytes are tokens, so nothing is unknown.

    Args:
        engine: A tokenizer of the package `tokenizers`.

    Raises:
        DataError: It does not know the special tokens in their places.

    Source:
        LECTURES A9. Sennrich, Haddow, Birch: Neural machine translation of rare words with subword units (2016); on
        bytes: Radford et al. 2019, 2.2.
    """

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.vocabulary = Vocabulary([engine.id_to_token(index) for index in range(engine.get_vocab_size())])

    def encode(self, text: str) -> Int64[Tensor, " n"]:
        """Return the tokens of a text; what is written as a special token is text."""
        found = self.engine.encode_batch_fast(
            _LINE.split(text), add_special_tokens=False
        )  # one string takes 10 x longer
        return torch.tensor([token for piece in found for token in piece.ids], dtype=torch.int64)

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text; bytes that are no UTF-8 become the replacement character."""
        return str(self.engine.decode([int(token) for token in tokens if token >= len(SPECIAL)]))

    def to_json(self) -> str:
        """Return the `tokenizer.json` that other programs read as well."""
        return str(self.engine.to_str())

    def with_mask(self) -> BytePairs:
        """Return the same byte pairs and a mask."""
        if self.vocabulary.mask is not None:
            return self
        masked = read_bpe(self.to_json())
        masked.engine.add_special_tokens([MASK])
        return BytePairs(masked.engine)

    def encode_around(self, pieces: Sequence[str]) -> Int64[Tensor, " n"]:
        """Return the tokens of pieces of a text, with the mask between each two.

        The space before a mask is a part of what it hides, as it is of the tokens that stand for words.
        """
        *before, last = pieces
        rows = [self.encode(piece.removesuffix(" ")) for piece in before]
        return around_masks([*rows, self.encode(last)], self.vocabulary)


def bpe(texts: Iterable[str], *, size: int = 5000, least: int = 2) -> BytePairs:
    """Return byte pairs learned from texts.

    Args:
        texts: Those of the training part.
        size: Tokens in all: 4 special ones, 256 bytes, and what is joined.
        least: How often a pair must occur to be joined.

    Raises:
        UsageError: The package `tokenizers` is not installed, or the size leaves no room.
    """
    if size < len(SPECIAL) + BYTES:
        raise UsageError("byte pairs need room for every byte", expected=f"size >= {len(SPECIAL) + BYTES}", got=size)
    package = tokenizers()
    engine = package.Tokenizer(package.models.BPE())
    engine.pre_tokenizer = package.pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = package.decoders.ByteLevel()
    trainer = package.trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=least,
        special_tokens=list(SPECIAL),
        initial_alphabet=package.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    engine.train_from_iterator(iter(texts), trainer)
    engine.encode_special_tokens = True  # "<s>" in a text is four characters, not the start
    return BytePairs(engine)


def read_bpe(text: str) -> BytePairs:
    """Return the byte pairs that a `tokenizer.json` says.

    Raises:
        DataError: It is damaged, or of another kind.
    """
    try:
        engine = tokenizers().Tokenizer.from_str(text)
    except UsageError:
        raise
    except Exception as error:  # the package raises plain exceptions
        raise DataError(f"the tokenizer cannot be read: {error}") from error
    engine.encode_special_tokens = True
    return BytePairs(engine)


def tokenizers() -> ModuleType:
    """Return the package, or say how it is got.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import tokenizers as package
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError:
        raise UsageError("byte pairs need the package tokenizers", remedy="pip install 'chainrule[text]'") from None
    return package
