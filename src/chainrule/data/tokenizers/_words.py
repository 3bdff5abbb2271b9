"""Words and punctuation marks as tokens."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.data.tokenizers._tokenizer import around_masks
from chainrule.data.tokenizers._vocabulary import SPECIAL, UNKNOWN, Vocabulary

_TOKEN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_NO_SPACE_BEFORE = re.compile(r" ([.,;:!?)\]}%…])")
_NO_SPACE_AFTER = re.compile(r"([(\[{]) ")


class Words:
    """Words (letters and digits, apostrophes inside) and single punctuation marks; spaces are not kept.

    Args:
        vocabulary: The words that are known.
        lower: Whether upper and lower case are one.

    Example:
        >>> tokenizer = words(["The sea, the sea!"], lower=True)
        >>> tokenizer.vocabulary.tokens[4:]
        ('sea', 'the', '!', ',')
        >>> tokenizer.decode(tokenizer.encode("The sea!").tolist())
        'the sea!'

    Source:
        LECTURES A9, G5.
    """

    def __init__(self, vocabulary: Vocabulary, *, lower: bool = False) -> None:
        self.vocabulary, self.lower = vocabulary, lower

    def encode(self, text: str) -> Int64[Tensor, " n"]:
        """Return one token a word or mark."""
        return torch.tensor([self.vocabulary[word] for word in split_words(text, lower=self.lower)], dtype=torch.int64)

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the words with spaces as they are usually written; an unknown one is written `<unk>`."""
        mask = self.vocabulary.mask
        kept = (token for token in tokens if (token >= len(SPECIAL) and token != mask) or token == UNKNOWN)
        text = " ".join(self.vocabulary.tokens[token] for token in kept)
        return _NO_SPACE_AFTER.sub(r"\1", _NO_SPACE_BEFORE.sub(r"\1", text))

    def to_json(self) -> str:
        """Return the words as JSON."""
        return json.dumps(
            {"format": 1, "kind": "words", "lower": self.lower, "tokens": list(self.vocabulary.tokens)},
            ensure_ascii=False,
        )

    def with_mask(self) -> Words:
        """Return the same words and a mask."""
        return Words(self.vocabulary.with_mask(), lower=self.lower)

    def encode_around(self, pieces: Sequence[str]) -> Int64[Tensor, " n"]:
        """Return the tokens of pieces of a text, with the mask between each two."""
        return around_masks([self.encode(piece) for piece in pieces], self.vocabulary)


def words(texts: Iterable[str], *, lower: bool = False, size: int | None = None, least: int = 1) -> Words:
    """Return the tokenizer of the words that occur in texts, the most frequent first.

    Args:
        texts: Those of the training part.
        lower: Whether upper and lower case are one.
        size: The most tokens, the four special ones included.
        least: How often a word must occur.
    """
    counts = Counter(word for text in texts for word in split_words(text, lower=lower))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    known = [word for word, count in ranked if count >= least and word not in SPECIAL]
    return Words(Vocabulary.of(known if size is None else known[: max(0, size - len(SPECIAL))]), lower=lower)


def split_words(text: str, *, lower: bool = False) -> list[str]:
    """Return the words and punctuation marks of a text.

    Example:
        >>> split_words("Don't (ever) stop.")
        ["Don't", '(', 'ever', ')', 'stop', '.']
    """
    return _TOKEN.findall(text.lower() if lower else text)
