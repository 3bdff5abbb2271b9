"""The tokens of both sides of a translation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from chainrule.core.errors import CheckpointError
from chainrule.core.recipe import TranslateRecipe
from chainrule.data.ragged import Ragged
from chainrule.data.tokenizers import END, START, Tokenizer
from chainrule.tasks.sequences._tokenizer import made_tokenizer, read_stored


@dataclass(frozen=True)
class Tokens:
    """How the texts of both sides become tokens.

    Args:
        source: Of the sentences that are translated.
        target: Of the translations; the same object where both sides have one vocabulary.
        length: The most tokens of a sentence; longer ones are cut.
    """

    source: Tokenizer
    target: Tokenizer
    length: int

    @classmethod
    def made(cls, recipe: TranslateRecipe, source: Sequence[str], target: Sequence[str]) -> Tokens:
        """Return the tokenizers that a recipe asks for, made of the training part."""
        named, length = recipe.data.tokenizer, recipe.data.length
        if recipe.data.joint:
            both = made_tokenizer(named, [*source, *target])
            return cls(both, both, length)
        return cls(made_tokenizer(named, source), made_tokenizer(named, target), length)

    @classmethod
    def stored(cls, recipe: TranslateRecipe, processing: Mapping[str, Any]) -> Tokens:
        """Return the tokenizers of a stored run.

        Raises:
            CheckpointError: There are none, or one is damaged.
        """
        texts = processing.get("tokenizers")
        if not isinstance(texts, list) or len(texts) not in (1, 2) or not all(isinstance(one, str) for one in texts):
            raise CheckpointError(
                "the processing.json of the run is damaged", expected='one or two tokenizers in "tokenizers"'
            )
        found = [read_stored(text) for text in texts]
        return cls(found[0], found[-1], recipe.data.length)

    def to_data(self) -> list[str]:
        """Return what `stored` makes the same of: one tokenizer, or that of each side."""
        return [one.to_json() for one in ([self.source] if self.joint else [self.source, self.target])]

    @property
    def joint(self) -> bool:
        """Whether both sides have one vocabulary."""
        return self.source is self.target

    @property
    def sizes(self) -> tuple[int, int]:
        """How many tokens each side has."""
        return len(self.source.vocabulary), len(self.target.vocabulary)

    def sources(self, texts: Iterable[str]) -> tuple[Ragged, list[int]]:
        """Return sentences as tokens, each cut to the length and with its end, and how many tokens each has in all."""
        rows = [self.source.encode(text) for text in texts]
        end = torch.tensor([END])
        return Ragged(torch.cat([row[: self.length], end]) for row in rows), [len(row) for row in rows]

    def targets(self, texts: Iterable[str]) -> tuple[Ragged, list[int]]:
        """Return translations as tokens, each cut, with its start and end, and how many tokens each has in all."""
        rows = [self.target.encode(text) for text in texts]
        start, end = torch.tensor([START]), torch.tensor([END])
        return Ragged(torch.cat([start, row[: self.length], end]) for row in rows), [len(row) for row in rows]
