"""The tokens of both sides of a translation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chainrule.core.errors import ChainruleError, CheckpointError
from chainrule.core.recipe import TranslateRecipe
from chainrule.data.ragged import Ragged
from chainrule.data.tokenizers import END, START, TOKENIZERS, Tokenizer, read_tokenizer
from chainrule.tasks.tables import TABLES, options


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
        named = recipe.data.tokenizer
        make, chosen = TOKENIZERS.resolve(named.name), options(TABLES["data.tokenizer"], named, "data.tokenizer")
        if recipe.data.joint:
            both: Tokenizer = make([*source, *target], **chosen)
            return cls(both, both, recipe.data.length)
        return cls(make(source, **chosen), make(target, **chosen), recipe.data.length)

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
        try:
            found = [read_tokenizer(text) for text in texts]
        except ChainruleError as error:
            raise CheckpointError(f"a tokenizer of the run cannot be read: {error}") from error
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

    def sources(self, texts: Iterable[str]) -> tuple[Ragged, int]:
        """Return sentences as tokens, each with its end, and how many were cut."""
        rows, cut = self._cut(self.source, texts)
        return Ragged(torch.cat([row, torch.tensor([END])]) for row in rows), cut

    def targets(self, texts: Iterable[str]) -> tuple[Ragged, int]:
        """Return translations as tokens, each with its start and end, and how many were cut."""
        rows, cut = self._cut(self.target, texts)
        return Ragged(torch.cat([torch.tensor([START]), row, torch.tensor([END])]) for row in rows), cut

    def _cut(self, tokenizer: Tokenizer, texts: Iterable[str]) -> tuple[list[Tensor], int]:
        rows = [tokenizer.encode(text) for text in texts]
        return [row[: self.length] for row in rows], sum(len(row) > self.length for row in rows)
