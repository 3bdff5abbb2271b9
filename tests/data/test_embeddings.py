"""Vectors of words from the text files of GloVe and word2vec."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import DataError, UsageError
from chainrule.data.embeddings import WordVectors, read_vectors, terms_of, write_vectors

GLOVE = "the 0.25 -1 3e-2\nof 1 2 3\n. . . 4 5 6\nнаука 7 8 9\nwell\u00a0known 1 1 1\nthe 9 9 9\n"


def written(folder: Path, content: str | bytes, name: str = "vectors.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_file_of_glove(tmp_path: Path) -> None:
    found = read_vectors(written(tmp_path, GLOVE))
    assert found.words == ("the", "of", ". . .", "наука", "well\u00a0known")
    assert found.facts == {"lines": 6, "repeated": 1, "no text": 0}
    np.testing.assert_allclose(found["the"], [0.25, -1, 0.03], rtol=1e-7)
    np.testing.assert_allclose(found[". . ."], [4, 5, 6])
    packed = written(tmp_path, gzip.compress(GLOVE.encode()), "vectors.txt.gz")
    assert torch.equal(read_vectors(packed).vectors, found.vectors)


@pytest.mark.parametrize(
    "content",
    [
        "2 3\nthe 1 2 3\nof 4 5 6\n",
        "2 3\nthe 1 2 3 \nof 4 5 6 \n",  # the program word2vec leaves a space at the end
        "2 3\r\nthe 1 2 3\r\nof 4 5 6\r\n",
        "\ufeffthe 1 2 3\nof 4 5 6",
        "the\t1 2 3\n\nof\t4 5 6\n\n",
    ],
)
def test_headers_and_what_ends_a_line(content: str, tmp_path: Path) -> None:
    found = read_vectors(written(tmp_path, content))
    assert found.words == ("the", "of")
    assert found.vectors.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_number_can_be_a_word(tmp_path: Path) -> None:
    found = read_vectors(written(tmp_path, "7 1\n3 4\n5 6\n"))
    assert (found.words, found.facts["lines"]) == (("3", "5"), 2)  # a header, as word2vec writes it
    found = read_vectors(written(tmp_path, "1984 1 2\n2001 3 4\n"))
    assert found.words == ("1984", "2001")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("the 1 2 3\nof 4 5 6\nto 7 8\nin 1 2 3\n", "line 3 is broken.*a word and 3 numbers.*to 7 8"),
        ("the 1 2 3\n\n\nof 4 x 6\n", "line 4 is broken.*a word and 3 numbers"),
        ("the 1 2 3\nof 4 nan 6\n", "line 2 is broken.*finite numbers"),
        ("the 1 2 3\nof 4 1e99 6\n", "line 2 is broken.*finite numbers"),
        ("2 3\nthe 1 2 3\nof 4 5", "line 3 is broken"),
        ("the 1 2 3\n 4 5 6\n", "line 2 is broken"),
        ("", "is empty"),
        ("word\nother\n", "holds no vectors"),
        ("the " + "1 " * 600_000, "line 1 is too long"),
    ],
)
def test_broken_lines_are_named(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_vectors(written(tmp_path, content))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_vectors(tmp_path / "none.txt")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_vectors(tmp_path)
    whole = gzip.compress((GLOVE * 500).encode())
    with pytest.raises(DataError, match="damaged or cut short"):
        read_vectors(written(tmp_path, whole[: len(whole) // 2], "cut.gz"))


def test_words_that_are_no_text_are_passed_over(tmp_path: Path) -> None:
    found = read_vectors(written(tmp_path, b"the 1 2\n\xff\xfe 3 4\nof 5 6\n"))
    assert (found.words, found.facts["no text"]) == (("the", "of"), 1)


def test_what_is_not_wanted_takes_no_memory(tmp_path: Path) -> None:
    row = " ".join(["0.125"] * 100)
    path = written(tmp_path, "".join(f"w{number} {row}\n" for number in range(20_000)))
    assert path.stat().st_size > 10e6
    tracemalloc.start()
    found = read_vectors(path, wanted={"w7", "w19999", "nowhere"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.words == ("w7", "w19999")
    assert peak < 1e6


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    words=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\n\t"), min_size=1).filter(str.strip),
        max_size=8,
        unique=True,
    ),
    dim=st.integers(1, 5),
    data=st.data(),
)
def test_what_is_written_is_read_again_bit_by_bit(
    words: list[str], dim: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
    rows = [data.draw(st.lists(numbers, min_size=dim, max_size=dim)) for _ in words]
    made = WordVectors(tuple(words), torch.tensor(rows, dtype=torch.float32).view(len(words), dim))
    path = tmp_path_factory.mktemp("vectors") / "out.txt"
    write_vectors(path, made)
    again = read_vectors(path)
    assert again.words == made.words
    assert torch.equal(again.vectors, made.vectors)


def test_words_that_no_line_can_hold_are_refused(tmp_path: Path) -> None:
    for word in ("two\nlines", "two\tfields", " "):
        with pytest.raises(UsageError, match="text on one line"):
            write_vectors(tmp_path / "out.txt", WordVectors((word,), torch.zeros(1, 2)))


def test_vectors_that_no_file_holds_are_refused(tmp_path: Path) -> None:
    for value, said in ((float("nan"), "nan"), (float("inf"), "inf"), (1e99, "inf")):
        vectors = torch.tensor([[0.0, 1.0], [2.0, value]], dtype=torch.float64)
        with pytest.raises(UsageError, match=rf"all finite in float32.*that of .cod.: \[2.0, {said}\]"):
            write_vectors(tmp_path / "out.txt", WordVectors(("king", "cod"), vectors))
    with pytest.raises(UsageError, match="at least one number"):
        write_vectors(tmp_path / "out.txt", WordVectors(("king",), torch.zeros(1, 0)))
    assert not (tmp_path / "out.txt").exists()


def test_a_header_alone_says_that_there_are_no_words(tmp_path: Path) -> None:
    found = read_vectors(written(tmp_path, "0 3\n"))
    assert (found.words, found.vectors.shape) == ((), (0, 3))
    assert read_vectors(written(tmp_path, "1984 3\n")).words == ("1984",)


def test_nearest_words_are_those_of_numpy() -> None:
    generator = np.random.default_rng(0)
    table = generator.normal(size=(30, 6))
    words = tuple(f"w{number}" for number in range(30))
    made = WordVectors(words, torch.from_numpy(table))
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    order = [place for place in np.argsort(-(unit @ unit[4])) if place != 4]
    found = made.nearest("w4", count=5)
    assert [word for word, _ in found] == [words[place] for place in order[:5]]
    np.testing.assert_allclose([value for _, value in found], (unit @ unit[4])[order[:5]])
    direction = unit[1] - unit[2] + unit[3]
    cosines = unit @ direction / np.linalg.norm(direction)
    order = [place for place in np.argsort(-cosines) if place not in (1, 2, 3)]
    found = made.nearest("w1 - w2 + w3", count=100)
    assert [word for word, _ in found] == [words[place] for place in order]
    np.testing.assert_allclose([value for _, value in found], cosines[order])


def test_an_analogy_that_the_vectors_hold() -> None:
    parts = {"royal": [1, 0, 0.0], "male": [0, 1, 0.0], "female": [0, -1, 0.0]}
    table = {
        "king": np.add(parts["royal"], parts["male"]),
        "queen": np.add(parts["royal"], parts["female"]),
        "man": parts["male"],
        "woman": parts["female"],
        "cod": [0, 0, 1.0],
    }
    made = WordVectors(tuple(table), torch.tensor(np.array(list(table.values())), dtype=torch.float32))
    assert made.nearest("king - man + woman", count=1)[0][0] == "queen"
    assert made.nearest("KING", count=1)[0][0] != "king"


def test_queries_that_mean_nothing() -> None:
    made = WordVectors(("king", "queen"), torch.eye(2))
    with pytest.raises(DataError, match='no vector of the word "kingg".*did you mean "king"'):
        made.nearest("kingg")
    with pytest.raises(DataError, match="none of the 2 words is like it"):
        made.nearest("axolotl")
    for query in ("", "king -", "king queen", "- + king"):
        with pytest.raises(UsageError, match="no sum of words"):
            made.nearest(query)
    with pytest.raises(UsageError, match="at least 1"):
        made.nearest("king", count=0)
    assert terms_of("- king + queen") == [(-1.0, "king"), (1.0, "queen")]
    assert made.nearest("king - king", count=5)[0][0] == "queen"
    with pytest.raises(UsageError, match="each word has a vector"):
        WordVectors(("king",), torch.eye(2))
