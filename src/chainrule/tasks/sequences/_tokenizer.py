"""The tokenizer of a recipe, and of a stored run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chainrule.core.errors import ChainruleError, CheckpointError
from chainrule.core.sections import Named
from chainrule.data.tokenizers import TOKENIZERS, Tokenizer, read_tokenizer
from chainrule.tasks.tables import TABLES, options


def made_tokenizer(named: Named, texts: Iterable[str]) -> Tokenizer:
    """Return the tokenizer that a recipe names, made from the texts of the training part."""
    made: Tokenizer = TOKENIZERS.resolve(named.name)(
        texts, **options(TABLES["data.tokenizer"], named, "data.tokenizer")
    )
    return made


def stored_tokenizer(processing: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer of a stored run.

    Raises:
        CheckpointError: There is none, or it is damaged.
    """
    text = processing.get("tokenizer")
    if not isinstance(text, str):
        raise CheckpointError("the processing.json of the run is damaged", expected='an entry "tokenizer"')
    return read_stored(text)


def read_stored(text: str) -> Tokenizer:
    """Return the tokenizer that a run keeps as text.

    Raises:
        CheckpointError: It is damaged.
    """
    try:
        return read_tokenizer(text)
    except ChainruleError as error:
        raise CheckpointError(f"a tokenizer of the run cannot be read: {error}") from error


def token_text(tokenizer: Tokenizer, token: int) -> str:
    r"""Return a token as text; one that is no text alone (special, part of a character) as the vocabulary writes it.

    Example:
        >>> tokenizer = TOKENIZERS.resolve("characters")(["a b"])
        >>> [token_text(tokenizer, token) for token in (3, 4, 5)]
        ['</s>', ' ', 'a']
    """
    text = tokenizer.decode([token])
    return tokenizer.vocabulary.tokens[token] if not text or "\ufffd" in text else text
