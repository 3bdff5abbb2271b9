"""A token as text: what is no text alone is written as the vocabulary has it."""

from __future__ import annotations

import pytest

from chainrule.core.sections import Named
from chainrule.data.tokenizers import END, START, UNKNOWN
from chainrule.tasks.sequences._tokenizer import made_tokenizer, token_text

TEXT = "the café, 日本 and the cat\n"


@pytest.mark.parametrize(("name", "options"), [("characters", {}), ("words", {}), ("bpe", {"size": 270})])
def test_every_token_has_a_text(name: str, options: dict[str, int]) -> None:
    tokenizer = made_tokenizer(Named(name=name, **options), [TEXT * 3])
    written = tokenizer.vocabulary.tokens
    for token in range(len(written)):
        text = token_text(tokenizer, token)
        assert text
        assert "\ufffd" not in text
        assert text in (written[token], tokenizer.decode([token]))
    assert [token_text(tokenizer, token) for token in (UNKNOWN, START, END)] == [
        written[i] for i in (UNKNOWN, START, END)
    ]


def test_bytes_of_a_character_are_told_apart_and_whole_ones_are_as_they_are() -> None:
    tokenizer = made_tokenizer(Named(name="bpe", size=261), [TEXT])  # 4 special ones, 256 bytes, one pair
    texts = [token_text(tokenizer, token) for token in tokenizer.encode("日t").tolist()]
    assert len(texts) == len(set(texts)) == 4  # the three bytes of one character, and a character
    assert texts[3] == "t"
