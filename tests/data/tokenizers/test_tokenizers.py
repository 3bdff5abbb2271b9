"""Tokenizers: text comes back, special tokens stay special, what is stored reads back equal."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core.errors import DataError, UsageError
from chainrule.data.tokenizers import END, PADDING, START, TOKENIZERS, UNKNOWN, Vocabulary, read_tokenizer
from chainrule.data.tokenizers._vocabulary import SPECIAL

TEXT = "To be, or not to be: that is the question.\n\nWhether 'tis nobler…\tdéjà vu 🙂\n"


@pytest.fixture(scope="module", params=TOKENIZERS.names())
def tokenizer(request: pytest.FixtureRequest) -> object:
    return TOKENIZERS.resolve(request.param)([TEXT, "and again"])


@given(text=st.text(max_size=60))
def test_characters_come_back_but_for_unknown_ones(text: str) -> None:
    made = TOKENIZERS.resolve("characters")([TEXT])
    tokens = made.encode(text)
    assert len(tokens) == len(text)
    assert made.decode(tokens.tolist()) == "".join(letter for letter in text if letter in TEXT)


@given(text=st.text(max_size=60))
def test_byte_pairs_know_every_text(text: str) -> None:
    made = TOKENIZERS.resolve("bpe")([TEXT], size=300)
    assert made.decode(made.encode(text).tolist()) == text


def test_byte_pairs_of_a_text_are_those_of_the_whole_string() -> None:
    made = TOKENIZERS.resolve("bpe")([TEXT * 3], size=320)
    text = f"{TEXT}a\n  b\n\nc \n d\n\n\n e\r\nf\n{TEXT}"
    assert made.encode(text).tolist() == made.engine.encode(text, add_special_tokens=False).ids


def test_special_tokens_come_first_and_are_not_made_by_text(tokenizer: object) -> None:
    vocabulary = tokenizer.vocabulary  # type: ignore[attr-defined]
    assert [vocabulary[word] for word in SPECIAL] == [PADDING, UNKNOWN, START, END]
    tokens = tokenizer.encode("<s> </s> <pad>").tolist()  # type: ignore[attr-defined]
    assert not {PADDING, START, END} & set(tokens)
    assert tokenizer.encode("").tolist() == []  # type: ignore[attr-defined]


def test_what_is_stored_reads_back_equal(tokenizer: object) -> None:
    again = read_tokenizer(tokenizer.to_json())  # type: ignore[attr-defined]
    for text in (TEXT, "", "something else, é", "<s>"):
        assert again.encode(text).tolist() == tokenizer.encode(text).tolist()  # type: ignore[attr-defined]
    tokens = tokenizer.encode(TEXT).tolist()  # type: ignore[attr-defined]
    assert again.decode([START, *tokens, END]) == tokenizer.decode(tokens)  # type: ignore[attr-defined]


def test_words_are_ranked_by_how_often_they_occur_and_cut() -> None:
    made = TOKENIZERS.resolve("words")(["b a b c c c"], size=6)
    assert made.vocabulary.tokens[4:] == ("c", "b")
    assert made.encode("a b").tolist() == [UNKNOWN, 5]
    assert TOKENIZERS.resolve("words")(["b a b"], least=2).vocabulary.tokens[4:] == ("b",)


def test_words_are_written_as_people_do() -> None:
    text = "Don't (ever) stop: it's 3 o'clock!"
    made = TOKENIZERS.resolve("words")([text])
    assert made.decode(made.encode(text).tolist()) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("[]", "no tokenizer"),
        ('{"kind": "wrods", "tokens": ["<pad>", "<unk>", "<s>", "</s>"]}', 'did you mean "words"'),
        ('{"kind": "words", "tokens": ["a"]}', "begin with the special tokens"),
        ('{"kind": "words", "tokens": 3}', "list of texts"),
        ('{"model": {"type": "nothing"}}', "cannot be read"),
        (json.dumps({"kind": "words", "tokens": [*SPECIAL, "a", "a"]}), "'a' twice"),
    ],
)
def test_a_damaged_file_is_named(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tokenizer(text)


def test_byte_pairs_need_room_and_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="size >= 260"):
        TOKENIZERS.resolve("bpe")([TEXT], size=100)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UsageError, match=r"chainrule\[text\]"):
        TOKENIZERS.resolve("bpe")([TEXT])


def test_an_unknown_word_has_the_index_of_the_unknown() -> None:
    vocabulary = Vocabulary.of(["sea"])
    assert (vocabulary["land"], "land" in vocabulary, "sea" in vocabulary) == (UNKNOWN, False, True)
