"""The tokens that a network knows, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

from chainrule.core.errors import DataError

PADDING, UNKNOWN, START, END = range(4)
"""Indices of the special tokens, the same in every vocabulary."""
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
"""How the special tokens are written."""
MASK = "<mask>"
"""How the token is written that stands for a hidden one; only vocabularies of masked words have it, as their last."""


class Vocabulary:
    """Tokens by index; the first four are padding, unknown, start and end.

    Args:
        tokens: All tokens in order, the special ones first.

    Raises:
        DataError: A token occurs twice, or the special ones do not come first.

    Example:
        >>> vocabulary = Vocabulary.of(["the", "sea"])
        >>> len(vocabulary), vocabulary["sea"], vocabulary["land"] == UNKNOWN, vocabulary.tokens[4]
        (6, 5, True, 'the')

    Source:
        LECTURES A9, G5.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tuple(tokens)
        if self.tokens[: len(SPECIAL)] != SPECIAL:
            raise DataError("the vocabulary does not begin with the special tokens", expected=", ".join(SPECIAL))
        if len(self._index) != len(self.tokens):
            token, _ = Counter(self.tokens).most_common(1)[0]
            raise DataError(f"the vocabulary has {token!r} twice")

    @classmethod
    def of(cls, tokens: Iterable[str]) -> Vocabulary:
        """Return the vocabulary of tokens that are not special, in their order."""
        return cls([*SPECIAL, *tokens])

    @cached_property
    def _index(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

    def with_mask(self) -> Vocabulary:
        """Return the same tokens, and the mask after them if it is not there yet.

        Example:
            >>> vocabulary = Vocabulary.of(["sea"]).with_mask()
            >>> vocabulary.mask, vocabulary.ordinary, vocabulary["sea"]
            (5, (4,), 4)
        """
        return self if self.mask is not None else Vocabulary([*self.tokens, MASK])

    @cached_property
    def mask(self) -> int | None:
        """Index of the mask; None where there is none."""
        return self._index.get(MASK)

    @cached_property
    def ordinary(self) -> tuple[int, ...]:
        """Indices of the tokens that are not special."""
        return tuple(index for index in range(len(SPECIAL), len(self.tokens)) if index != self.mask)

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._index

    def __getitem__(self, token: str) -> int:
        """Return the index of a token, that of the unknown one if there is none."""
        return self._index.get(token, UNKNOWN)
