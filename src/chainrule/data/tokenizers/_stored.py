"""A tokenizer from its file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from chainrule.core.errors import DataError, unknown
from chainrule.core.folder import RunFolder
from chainrule.core.paths import shown
from chainrule.data.texts import read_text
from chainrule.data.tokenizers._bpe import read_bpe
from chainrule.data.tokenizers._characters import Characters
from chainrule.data.tokenizers._tokenizer import Tokenizer
from chainrule.data.tokenizers._vocabulary import Vocabulary
from chainrule.data.tokenizers._words import Words

KINDS = ("characters", "words")


def stored(texts: Iterable[str], *, file: str) -> Tokenizer:
    """Return the tokenizer of another run, or of a file: what a network that goes on from given weights reads with.

    Args:
        texts: Those of the training part, of which nothing is taken.
        file: A run folder, or a `tokenizer.json`.

    Raises:
        DataError: There is no such folder or file, or it holds no tokenizer.
    """
    path = Path(file).expanduser()
    if not path.is_dir():
        return read_tokenizer(read_text(path, name="the tokenizer"))
    said = RunFolder(path).read_json(RunFolder(path).processing)
    found = said.get("tokenizer") if isinstance(said, dict) else None
    if not isinstance(found, str):
        raise DataError(
            f"{shown(path)} has no tokenizer",
            expected="the folder of a run that reads texts, whose processing.json has one",
            remedy="name the run that the weights are of: --data.tokenizer.file RUN",
        )
    return read_tokenizer(found)


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
