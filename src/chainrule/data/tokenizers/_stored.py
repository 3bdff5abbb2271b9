"""A tokenizer from its file."""

from __future__ import annotations

import json

from chainrule.core.errors import DataError, unknown
from chainrule.data.tokenizers._bpe import read_bpe
from chainrule.data.tokenizers._characters import Characters
from chainrule.data.tokenizers._tokenizer import Tokenizer
from chainrule.data.tokenizers._vocabulary import Vocabulary
from chainrule.data.tokenizers._words import Words

KINDS = ("characters", "words")


def read_tokenizer(text: str) -> Tokenizer:
    """Return the tokenizer that a `tokenizer.json` says: one of ours, or byte pairs of the package `tokenizers`.

    Raises:
        DataError: It is damaged, or of a kind that is not known.

    Example:
        >>> from chainrule.data.tokenizers import TOKENIZERS
        >>> made = TOKENIZERS.resolve("characters")(["abc"])
        >>> read_tokenizer(made.to_json()).encode("cab").tolist()
        [6, 4, 5]
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise DataError(f"the tokenizer is no JSON: {error}") from None
    if not isinstance(data, dict) or not ("model" in data or "kind" in data):
        raise DataError("this is no tokenizer", expected='an entry "kind" or "model"')
    if "model" in data:
        return read_bpe(text)
    tokens = data.get("tokens")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise DataError("the tokenizer is damaged", expected='its tokens as a list of texts in "tokens"')
    vocabulary = Vocabulary(tokens)
    if data["kind"] == "characters":
        return Characters(vocabulary)
    if data["kind"] == "words":
        return Words(vocabulary, lower=bool(data.get("lower", False)))
    name = str(data["kind"])
    raise DataError(f'there is no tokenizer "{name}"', remedy=unknown("tokenizer", name, KINDS))
