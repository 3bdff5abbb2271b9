"""Each character a token."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.data.tokenizers._tokenizer import around_masks
from chainrule.data.tokenizers._vocabulary import UNKNOWN, Vocabulary


class Characters:
    """Each character (Unicode code point) a token.

    Args:
        vocabulary: Its tokens beside the special ones are single characters, in the order of their code points.

    Example:
        >>> tokenizer = characters(["to be"])
        >>> tokenizer.encode("bet!").tolist(), tokenizer.decode(tokenizer.encode("bet"))
        ([5, 6, 8, 1], 'bet')

    Source:
        LECTURES G4.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._ordinary = frozenset(vocabulary.ordinary)
        self._places = np.array(vocabulary.ordinary, dtype=np.int64)
        self._points = np.array([ord(vocabulary.tokens[place]) for place in vocabulary.ordinary], dtype=np.uint32)

    def encode(self, text: str) -> Int64[Tensor, " n"]:
        """Return one token a character."""
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        if not len(self._points):
            return torch.full((len(points),), UNKNOWN)
        place = np.searchsorted(self._points, points).clip(max=len(self._points) - 1)
        known = self._points[place] == points
        return torch.from_numpy(np.where(known, self._places[place], UNKNOWN).astype(np.int64))

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the characters, without special tokens."""
        return "".join(self.vocabulary.tokens[token] for token in map(int, tokens) if token in self._ordinary)

    def to_json(self) -> str:
        """Return the characters as JSON."""
        return json.dumps({"format": 1, "kind": "characters", "tokens": list(self.vocabulary.tokens)})

    def with_mask(self) -> Characters:
        """Return the same characters and a mask."""
        return Characters(self.vocabulary.with_mask())

    def encode_around(self, pieces: Sequence[str]) -> Int64[Tensor, " n"]:
        """Return the tokens of pieces of a text, with the mask between each two."""
        return around_masks([self.encode(piece) for piece in pieces], self.vocabulary)


def characters(texts: Iterable[str]) -> Characters:
    """Return the tokenizer of all characters that occur in texts.

    Args:
        texts: Those of the training part.
    """
    found: set[str] = set()
    for text in texts:
        found.update(text)
    return Characters(Vocabulary.of(sorted(found)))
