"""Texts with classes: from tables, folders and files; each kind of damage is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from chainrule.core.errors import DataError
from chainrule.data.fetch import data_folder
from chainrule.data.labeled_texts import LabeledTexts
from chainrule.data.sentiment_sentences import sentiment_sentences
from chainrule.data.text_folder import text_folder
from chainrule.data.text_table import text_table

CSV = 'label,text\ngood,"Well, well"\nbad,"two\nlines ""quoted"""\ngood,fine\n'


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_the_three_kinds_of_table_say_the_same(tmp_path: Path) -> None:
    tsv = 'text\tlabel\nWell, well\tgood\n"quoted" is kept\tbad\nfine\tgood\n'
    lines = [{"text": "Well, well", "label": "good"}, {"text": '"quoted" is kept', "label": "bad"}]
    jsonl = "\n".join(json.dumps(line) for line in [*lines, {"text": "fine", "label": "good", "more": 1}])
    csv = "text,label\n" + '"Well, well",good\n"""quoted"" is kept",bad\nfine,good\n'
    for name, content in (("a.csv", csv), ("b.TSV", tsv), ("c.jsonl", "\n" + jsonl + "\n\n")):
        found = text_table(file=write(tmp_path / name, content))
        assert found.texts == ["Well, well", '"quoted" is kept', "fine"], name
        assert (found.classes, found.labels.tolist()) == (("bad", "good"), [1, 0, 1])


def test_fields_may_have_line_ends_and_any_length(tmp_path: Path) -> None:
    found = text_table(file=write(tmp_path / "a.csv", CSV.replace("\n", "\r\n")))
    assert found.texts[1] == 'two\nlines "quoted"'
    long = text_table(file=write(tmp_path / "b.csv", f"text,label\n{'x' * 300_000},a\ny,b\n"))
    assert len(long.texts[0]) == 300_000


def test_columns_can_be_named_and_numbers_are_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"review": "fine", "stars": 10}\n{"review": "so", "stars": 9}\n')
    found = text_table(file=path, text="review", label="stars")
    assert found.classes == ("9", "10")


def test_columns_without_a_name_are_passed_over(tmp_path: Path) -> None:
    for content in (",text,label\n0,x,a\n1,y,b\n", "text,label,\nx,a,\ny,b,\n", "n,text,n,label\n1,x,2,a\n1,y,2,b\n"):
        found = text_table(file=write(tmp_path / "a.csv", content))
        assert (found.texts, found.labels.tolist()) == (["x", "y"], [0, 1])
    with pytest.raises(DataError, match="line 3 has more fields.*expected 3, got 4"):
        text_table(file=write(tmp_path / "a.csv", ",text,label\n0,x,a\n1,y,z,b\n"))


def test_rows_without_text_are_counted(tmp_path: Path) -> None:
    found = text_table(file=write(tmp_path / "a.csv", "text,label\n,a\n  ,b\nx,a\ny,b\n"))
    assert (len(found), found.facts["empty"]) == (2, 2)


def test_official_parts_of_a_table(tmp_path: Path) -> None:
    rows = [f"text {i},{'ab'[i % 2]},{['Train', 'val', 'test'][i // 20]}" for i in range(60)]
    found = text_table(file=write(tmp_path / "a.csv", "text,label,part\n" + "\n".join(rows)), part="part")
    parts = found.parts(validation=0.1, test_share=0.2, seed=0)
    assert {name: (int(index.min()), int(index.max()), len(index)) for name, index in parts.items()} == {
        "train": (0, 19, 20),
        "valid": (20, 39, 20),
        "test": (40, 59, 20),
    }


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.txt", "x", {}, "is no table.*\\.csv, \\.tsv, \\.jsonl"),
        ("a.csv", "", {}, "holds no text"),
        ("a.csv", b"text,label\nfine \xff,a\n", {}, "no text in utf-8.*0xff at place 16"),
        ("a.csv", "text,label\nx,a\n", {}, "only one class, a"),
        ("a.csv", "text,label\n ,a\n", {}, "holds no texts.*1 rows without text"),
        ("a.csv", "txet,label\nx,a\n", {}, 'no column "text".*did you mean "txet"'),
        ("a.csv", "text,label\nx,a\n", {"label": "stars"}, 'no column "stars".*got "?text"?, "?label"?'),
        ("a.csv", "text,text,label\nx,z,a\n", {}, "2 columns are called.*text"),
        ("a.csv", "label,text,label\nx,z,a\n", {}, "2 columns are called.*label"),
        ("a.csv", "text,label\nx, y,a\nz,b\n", {}, "line 2 has more fields.*expected 2, got 3.*quotation marks"),
        ("a.csv", "text,label\nx\n", {}, 'line 2: "label" is no text.*nothing'),
        ("a.csv", "text,label\nx,\n", {}, "line 2 has no class"),
        ("a.csv", 'text,label\n"x,a\n', {}, "cannot be read.*unexpected end"),
        ("a.tsv", "text\tlabel\tpart\nx\ta\tdev\n", {"part": "part"}, "line 2 belongs to no part.*dev"),
        ("a.jsonl", '{"text": "x", "label": "a"}\n{"text": \n', {}, "line 2 is no JSON"),
        ("a.jsonl", "[1]\n", {}, "line 1 is no object"),
        ("a.jsonl", '{"text": ["x"], "label": "a"}\n', {}, '"text" is no text.*list'),
    ],
)
def test_bad_tables(name: str, content: Any, options: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        text_table(file=write(tmp_path / name, content), **options)


def test_a_folder_of_texts(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("good", "bad"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(10):
                write(tmp_path / part / name / f"{number}.txt", f"{part} {name} {number}")
    write(tmp_path / "train" / "good" / "notes.md", "x")
    found = text_folder(folder=str(tmp_path))
    assert found.classes == ("bad", "good")
    assert found.texts[0] in ("train bad 0", "test bad 0")
    parts = found.parts(validation=0.2, test_share=0.5, seed=0)
    assert {name: len(index) for name, index in parts.items()} == {"train": 16, "valid": 4, "test": 20}
    assert all(found.texts[i].startswith("test") for i in parts["test"].tolist())
    assert len(found.facts["ignored"]) == 1
    flat = text_folder(folder=str(tmp_path / "train"))
    assert (flat.test, len(flat)) == (None, 20)
    with pytest.raises(DataError, match=r"there are no texts in .*\.txt files in it"):
        text_folder(folder=str(tmp_path / "train" / "good"))


def test_each_part_has_every_class_and_source_in_its_share() -> None:
    labels, sources = torch.arange(600) % 2, torch.arange(600) % 3
    texts = LabeledTexts("x", [f"text {i}" for i in range(600)], labels, ("a", "b"), sources=sources)
    parts = texts.parts(validation=0.125, test_share=0.2, seed=4)
    for part, each in (("train", 70), ("valid", 10), ("test", 20)):
        assert (sources[parts[part]] * 2 + labels[parts[part]]).bincount().tolist() == [each] * 6
    assert sorted(torch.cat(list(parts.values())).tolist()) == list(range(600))
    other = texts.parts(validation=0.125, test_share=0.2, seed=5)
    assert not torch.equal(parts["test"], other["test"])


@pytest.mark.parametrize("official", [(), ("test",), ("valid",)])
def test_equal_texts_stand_in_one_part_and_shares_are_those_of_the_different_ones(official: tuple[str, ...]) -> None:
    """300 texts, each up to four times; of the official ones some stand among the others as well."""
    said = [f"text {i}" for i in range(300) for _ in range(1 + i % 4)]
    index = torch.randperm(len(said), generator=torch.Generator().manual_seed(0))
    said = [said[i] for i in index.tolist()]
    labels = torch.tensor([int(text.split()[1]) // 4 % 2 for text in said])
    given = {part: torch.arange(40) for part in official}
    train = torch.arange(40, len(said)) if official else None
    texts = LabeledTexts("x", said, labels, ("a", "b"), train=train, **given)
    parts = texts.parts(validation=0.2, test_share=0.25, seed=0)
    sets = {part: {said[i] for i in found.tolist()} for part, found in parts.items()}
    assert not sets["train"] & sets["valid"] | sets["train"] & sets["test"] | sets["valid"] & sets["test"]
    assert sum(map(len, sets.values())) == 300  # and none is lost
    if not official:
        assert {part: len(found) for part, found in sets.items()} == {"train": 180, "valid": 45, "test": 75}
        assert sorted(torch.cat(list(parts.values())).tolist()) == list(range(len(said)))
    less = texts.parts(validation=0.2, test_share=0.25, seed=0, limit=100)
    assert (len(less["train"]), len(less["test"])) == (100, len(parts["test"]))


def test_official_parts_that_share_a_text_stay_as_they_are() -> None:
    first = torch.arange(4)
    texts = LabeledTexts(
        "x", ["p", "q"] * 6, torch.arange(12) % 2, ("a", "b"), train=first, valid=first + 4, test=first + 8
    )
    parts = texts.parts(validation=0.1, test_share=0.1, seed=0)
    assert {part: found.tolist() for part, found in parts.items()} == {
        "train": [0, 1, 2, 3],
        "valid": [4, 5, 6, 7],
        "test": [8, 9, 10, 11],
    }


@pytest.mark.parametrize("ham", [["see you"] * 20, [f"see you {i}" for i in range(20)]])
def test_a_class_whose_texts_are_all_equal_cannot_be_split(ham: list[str]) -> None:
    texts = LabeledTexts("x", ["call now"] * 20 + ham, torch.arange(40) // 20, ("spam", "ham"))
    with pytest.raises(DataError, match='training part has no different texts of "spam"'):
        texts.parts(validation=0.1, test_share=0.2, seed=0)


@pytest.mark.parametrize(
    ("texts", "labels", "classes", "message"),
    [
        ([], [], ("a", "b"), "holds no texts"),
        (["x"], [0, 1], ("a", "b"), "each text has a class.*expected 1 labels, got 2"),
        (["x"], [0], ("a",), "only one class, a"),
    ],
)
def test_texts_that_do_not_go_together(texts: Any, labels: Any, classes: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        LabeledTexts("x", texts, torch.tensor(labels, dtype=torch.int64), classes)


def test_a_class_too_rare_to_be_split() -> None:
    texts = LabeledTexts("x", ["p", "q", "r"], torch.tensor([0, 0, 1]), ("a", "b"))
    with pytest.raises(DataError, match='has no texts of .*"b".*Remedy: add texts of it'):
        texts.parts(validation=0.1, test_share=0.2, seed=0)


def test_sentences_need_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match=r"amazon_cells_labelled.txt is missing.*archive.ics.uci.edu"):
        sentiment_sentences()
    (tmp_path / "sentiment_sentences").mkdir()
    write(tmp_path / "sentiment_sentences" / "yelp_labelled.txt", "Fine.\t1\n")
    with pytest.raises(DataError, match="damaged.*yelp_labelled.txt"):
        sentiment_sentences(sources=("yelp",))
    with pytest.raises(DataError, match='did you mean "yelp"'):
        sentiment_sentences(sources=("yepl",))


@pytest.mark.real_data
@pytest.mark.skipif(data_folder() is None, reason="real_data: CHAINRULE_DATA is not set")
def test_the_sentences_themselves() -> None:
    found = sentiment_sentences()
    assert found.sources is not None
    assert (found.sources * 2 + found.labels).bincount().tolist() == [500] * 6
    assert found.texts[0].startswith("So there is no way for me to plug it in here in the US")
    assert all(text == text.strip() and text and "\t" not in text[-3:] for text in found.texts)
    assert len(sentiment_sentences(sources=("imdb",))) == 1000
