"""Tokenizers: text comes back, special tokens stay special, what is stored reads back equal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core.errors import DataError, UsageError
from chainrule.data.tokenizers import END, MASK, PADDING, START, TOKENIZERS, UNKNOWN, Vocabulary, read_tokenizer
from chainrule.data.tokenizers._vocabulary import SPECIAL

TEXT = "To be, or not to be: that is the question.\n\nWhether 'tis nobler…\tdéjà vu 🙂\n"


@pytest.fixture(scope="module", params=TOKENIZERS.names())
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    if request.param != "stored":
        return TOKENIZERS.resolve(request.param)([TEXT, "and again"])
    path = tmp_path_factory.mktemp("stored") / "tokenizer.json"
    path.write_text(TOKENIZERS.resolve("words")([TEXT], lower=True).to_json(), encoding="utf-8")
    return TOKENIZERS.resolve("stored")(["nothing of this"], file=str(path))


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


def test_special_tokens_come_first_and_are_not_made_by_text(tokenizer: Any) -> None:
    vocabulary = tokenizer.vocabulary
    assert [vocabulary[word] for word in SPECIAL] == [PADDING, UNKNOWN, START, END]
    tokens = tokenizer.encode("<s> </s> <pad>").tolist()
    assert not {PADDING, START, END} & set(tokens)
    assert tokenizer.encode("").tolist() == []


def test_what_is_stored_reads_back_equal(tokenizer: Any) -> None:
    again = read_tokenizer(tokenizer.to_json())
    for text in (TEXT, "", "something else, é", "<s>"):
        assert again.encode(text).tolist() == tokenizer.encode(text).tolist()
    tokens = tokenizer.encode(TEXT).tolist()
    assert again.decode([START, *tokens, END]) == tokenizer.decode(tokens)


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


def test_a_mask_stands_behind_all_other_tokens_and_is_not_made_by_text(tokenizer: Any) -> None:
    masked = tokenizer.with_mask()
    vocabulary = masked.vocabulary
    assert vocabulary.tokens == (*tokenizer.vocabulary.tokens, MASK)
    assert (tokenizer.vocabulary.mask, vocabulary.mask) == (None, len(vocabulary) - 1)
    assert vocabulary.ordinary == tokenizer.vocabulary.ordinary == tuple(range(len(SPECIAL), len(vocabulary) - 1))
    assert masked.with_mask().vocabulary.tokens == vocabulary.tokens
    text = f"{TEXT} {MASK} [MASK]"
    assert masked.encode(text).tolist() == tokenizer.encode(text).tolist()
    tokens = masked.encode(TEXT).tolist()
    assert masked.decode([*tokens, vocabulary.mask]) == masked.decode(tokens)
    again = read_tokenizer(masked.to_json())
    assert again.vocabulary.tokens == vocabulary.tokens
    assert again.encode(text).tolist() == tokenizer.encode(text).tolist()


def test_tokens_around_masks(tokenizer: Any) -> None:
    masked = tokenizer.with_mask()
    mask = masked.vocabulary.mask
    found = masked.encode_around(["To ", ", or not to ", ""]).tolist()
    assert [place for place, token in enumerate(found) if token == mask][-1] == len(found) - 1
    assert found.count(mask) == 2
    assert masked.encode_around(["", ""]).tolist() == [mask]
    assert masked.encode_around([TEXT]).tolist() == masked.encode(TEXT).tolist()
    with pytest.raises(UsageError, match="has no mask"):
        tokenizer.encode_around(["to ", " be"])


def test_the_space_before_a_mask_of_byte_pairs_is_hidden_with_its_word() -> None:
    made = TOKENIZERS.resolve("bpe")([TEXT * 5], size=400).with_mask()
    assert made.encode_around(["not ", " be"]).tolist() == [
        *made.encode("not").tolist(),
        made.vocabulary.mask,
        *made.encode(" be").tolist(),
    ]


def test_what_holds_no_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "processing.json").write_text("{}")
    for file, message in (
        (tmp_path / "none.json", "cannot be read"),
        (tmp_path, "has no tokenizer.*--data.tokenizer.file RUN"),
        (tmp_path / "processing.json", "this is no tokenizer"),
    ):
        with pytest.raises(DataError, match=message):
            TOKENIZERS.resolve("stored")([TEXT], file=str(file))
