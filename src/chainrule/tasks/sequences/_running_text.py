"""The text of a recipe as tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.core.sections import Named, TokenData
from chainrule.data import TEXTS
from chainrule.data.texts import Text
from chainrule.data.tokenizers import Tokenizer
from chainrule.tasks.sequences._tokenizer import made_tokenizer
from chainrule.tasks.tables import TABLES, options

Bounds = Mapping[str, tuple[int, int]]
"""Part -> where it begins and ends, in characters."""


def read_text(data: TokenData) -> Text:
    """Return the text that a recipe names.

    Raises:
        DataError: It is missing or damaged.
    """
    text: Text = TEXTS.resolve(data.name)(**options(TABLES["data"], data, "data"))
    return text


def bounds_of(text: Text, data: TokenData) -> dict[str, tuple[int, int]]:
    """Return where each part begins and ends, in characters.

    Raises:
        DataError: A part is too short.
    """
    return text.bounds(validation=data.validation, test_share=data.test_share, limit=data.limit)


def tokenizer_of_text(named: Named, text: Text, bounds: Bounds) -> Tokenizer:
    """Return the tokenizer of a recipe, made from the training part alone."""
    begin, end = bounds["train"]
    return made_tokenizer(named, [text.text[begin:end]])


def token_facts(text: Text, bounds: Bounds, named: Named, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return what a report says of a text and its tokens, as plain data."""
    facts = dict(text.facts)
    return {
        "name": text.name,
        "characters": {part: end - begin for part, (begin, end) in bounds.items()},
        "tokenizer": {"name": named.name, **named.options, "tokens": len(tokenizer.vocabulary)},
        "source": facts.get("source"),
        "licence": facts.get("licence"),
        "beginning": text.text[:BEGINNING],
    }


BEGINNING = 400
"""Characters of the data that the report shows."""
