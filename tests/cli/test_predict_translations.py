"""`chainrule predict` and `evaluate` with a run that translates: sentences, files, the beam."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from chainrule.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("translate") / "run"
    words = ["train", "addition-transformer", "--train.steps", "2", "--data.count", "200", "--data.validation", "0.1"]
    words += [
        "--model.width",
        "16",
        "--train.threads",
        "1",
        "--no-progress",
        "-o",
        str(folder),
        "--train.test",
        "false",
    ]
    assert main(words) == 0
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main(["predict", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["result"]


def test_sentences_and_files_are_translated_line_by_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sums.txt"
    file.write_text("12+7=\n\n3+4=\n")
    rows = said(capsys, str(run), str(file), "--text", "1+1=")
    assert [row["source"] for row in rows] == ["1+1=", "12+7=", "", "3+4="]
    assert rows[2]["output"] == ""
    assert all(row["log_p"] < 0 for row in rows if row["source"])
    assert main(["predict", str(run), str(file)]) == 0
    assert capsys.readouterr().out.split("\n")[:3] == [row["output"] for row in rows[1:]]
    lines, table = tmp_path / "out.txt", tmp_path / "out.json"
    assert main(["predict", str(run), str(file), "-o", str(lines)]) == 0
    assert lines.read_text().split("\n") == [*(row["output"] for row in rows[1:]), ""]
    assert main(["predict", str(run), str(file), "-o", str(table)]) == 0
    assert [row["output"] for row in json.loads(table.read_text())] == [row["output"] for row in rows[1:]]
    capsys.readouterr()


def test_several_translations_and_the_beam_are_shown(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = said(capsys, str(run), "--text", "12+7=", "-n", "3", "--show-beam")
    assert len(row["others"]) == 2
    assert row["log_p"] >= max(one["log_p"] for one in row["others"]) or row["ended"]
    assert {one["fate"] for one in row["candidates"]} <= {"kept", "ended", "pruned"}
    assert all(bool(one["why"]) == (one["fate"] == "pruned") for one in row["candidates"])
    assert main(["predict", str(run), "--text", "12+7=", "--beam", "2", "--show-beam"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("beam search\n")
    assert "pruned: " in text
    assert " p 0." in text


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([], 2, "nothing to read"),
        (["--text", " "], 3, "the text is empty"),
        (["--text", "Ж"], 3, "knows nothing of the text"),
        (["--text", "1+1=", "-n", "0"], 2, "-n 1 or more"),
        (["--text", "1+1=", "--beam", "0"], 2, "beam: input should be greater"),
        (["--text", "1+1=", "--text", "2+2=", "--show-beam"], 2, "one sentence"),
        (["none.txt"], 3, "cannot be read"),
        (["--text", "1+1=", "--compile"], 2, "not compiled"),
        (["--text", "1+1=", "--int8", "-n", "0"], 2, "-n 1 or more"),
        (["--text", "1+1=", "--show-beam", "-o", "a.json"], 2, "--show-beam draws in the terminal"),
        (["--text", "1+1=", "-n", "2", "-o", "a.txt"], 2, "a line holds one answer"),
    ],
)
def test_what_cannot_be_translated_is_said_in_a_line(
    words: list[str], status: int, message: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["predict", str(run), *words]) == status
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_what_is_not_utf_8_is_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"1+1=\n\xff\n")
    assert main(["predict", str(run), str(file)]) == 3
    assert "line 2 of" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"1+1=\n\xff\n")))
    assert main(["predict", str(run), "-"]) == 3
    assert "line 2 of standard input" in capsys.readouterr().err


def test_it_is_evaluated(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["evaluate", str(run)]) == 0
    assert capsys.readouterr().out.startswith("valid: exact ")
    found = {}
    for words in ([], ["--int8"]):
        assert main(["evaluate", str(run), *words, "--json"]) == 0
        found[bool(words)] = json.loads(capsys.readouterr().out)["result"]["loss"]
    assert found[True] != found[False]
    assert found[True] == pytest.approx(found[False], rel=0.02)


def test_weights_of_8_bits_answer_nearly_the_same(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (str(run), "--text", "12+7=", "--beam", "1")
    (plain,), (quick,) = said(capsys, *words), said(capsys, *words, "--int8")
    assert quick["log_p"] != plain["log_p"]
    assert quick["log_p"] == pytest.approx(plain["log_p"], rel=0.05)


def test_data_of_pairs_are_looked_through(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "addition"]) == 0
    assert capsys.readouterr().out.startswith("addition: 20,000 pairs, 20,000 different source sentences")
    assert main(["data", "fetch", "addition"]) == 0
    assert main(["data", "fetch", "parallel-files"]) == 2
    assert "--data.source FILE --data.target FILE" in capsys.readouterr().err


def measured(capsys: pytest.CaptureFixture[str], run: Path, *words: str) -> Any:
    capsys.readouterr()
    assert main(["evaluate", str(run), *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["result"]


def test_a_part_is_measured_by_another_search_than_the_recipe_has(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = measured(capsys, run)
    short = measured(capsys, run, "--decode.beam", "2", "--decode.most=7")
    assert (plain["translated"], short["translated"]) == (20, 7)
    assert (plain["beam"], short["beam"]) == (1, 2)
    assert short["loss"] == plain["loss"]
    assert measured(capsys, run, "--decode.beam", "1") == plain


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--optim.lr", "1"], 2, "--optim.lr is a setting of the training: expected --decode.key value"),
        (["--decode.beams", "3"], 2, 'there is no setting "decode.beams"'),
        (["--decode.beam", "0"], 2, "beam: input should be greater than or equal to 1: got 0"),
    ],
)
def test_a_search_that_cannot_be_is_refused(
    run: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, told: str
) -> None:
    capsys.readouterr()
    assert main(["evaluate", str(run), *words]) == status
    assert told in capsys.readouterr().err
