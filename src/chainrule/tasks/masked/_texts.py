"""The texts of a recipe as pieces that a network reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError
from chainrule.core.recipe import MaskedRecipe
from chainrule.data import LABELED_TEXTS, TEXTS
from chainrule.data.ragged import Ragged
from chainrule.data.sentences import Sentences
from chainrule.data.tokenizers import Tokenizer
from chainrule.tasks.tables import TABLES, options


class Pieces(NamedTuple):
    """Texts cut into pieces.

    Args:
        tokens: Of each piece.
        parts: Part -> its pieces.
        passed_over: Texts without a word that is known.
    """

    tokens: Ragged
    parts: dict[str, Int64[Tensor, " part"]]
    passed_over: int


def read_sentences(recipe: MaskedRecipe) -> Sentences:
    """Return the texts that a recipe names: those of a set with classes, or the lines of a text.

    Raises:
        DataError: They are missing or damaged, or a part has none.
    """
    data = recipe.data
    chosen, shares = (
        options(TABLES["data"], data, "data"),
        {"validation": data.validation, "test_share": data.test_share},
    )
    if data.name in LABELED_TEXTS:
        seed = recipe.train.seed if data.split_seed is None else data.split_seed
        labeled = LABELED_TEXTS.resolve(data.name)(**chosen)
        return Sentences.of_labeled(labeled, seed=seed, limit=data.limit, **shares)
    return Sentences.of_lines(TEXTS.resolve(data.name)(**chosen), limit=data.limit, **shares)


def cut_into_pieces(sentences: Sentences, tokenizer: Tokenizer, length: int) -> Pieces:
    """Return texts as pieces of so many tokens at most; those without a known word are passed over.

    Raises:
        DataError: A part has no known word.
    """
    known = torch.zeros(len(tokenizer.vocabulary), dtype=torch.bool)
    known[list(tokenizer.vocabulary.ordinary)] = True
    rows: list[Tensor] = []
    parts: dict[str, Tensor] = {}
    passed_over = 0
    for part, index in sentences.parts.items():
        begin = len(rows)
        for text in _texts(sentences.texts, index):
            pieces = [row for row in tokenizer.encode(text).split(length) if bool(known[row].any())]
            rows += pieces
            passed_over += not pieces
        if len(rows) == begin:
            raise DataError(
                f"{sentences.name}: the part {part} has no word that the tokenizer knows",
                got=f"{len(index):,} texts",
                remedy="a tokenizer that knows more words, or more texts",
            )
        parts[part] = torch.arange(begin, len(rows))
    return Pieces(Ragged(rows), _by_length(rows, parts), passed_over)


def _texts(texts: Sequence[str], index: Tensor) -> list[str]:
    return [texts[number] for number in index.tolist()]


def _by_length(rows: list[Tensor], parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Pieces of like length are measured together: little padding."""
    lengths = torch.tensor([len(row) for row in rows])
    return {part: index[torch.argsort(lengths[index], stable=True)] for part, index in parts.items()}
