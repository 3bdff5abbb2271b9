"""`chainrule train`, `evaluate` and `predict` for texts, as they are called."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from chainrule.cli import main


def write_table(path: Path) -> Path:
    lines = [
        f"{'bright' if i % 2 else 'gray'} {['sea', 'rain', 'wind'][i % 3]} {'the ' * (i % 7)},{i % 2}"
        for i in range(80)
    ]
    path.write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    recipe = folder / "weather.yaml"
    recipe.write_text(
        "task: classify-text\n"
        f"data: {{name: text-table, file: {write_table(folder / 'weather.csv')}, validation: 0.2}}\n"
        "model: {name: bag_of_words}\n"
        "optim: {name: adam, lr: 0.05}\n"
        "train: {epochs: 4, batch: 16, threads: 1}\n"
    )
    assert main(["train", str(recipe), "-o", str(folder / "run"), "-q"]) == 0
    return folder / "run"


def test_texts_in_words(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(run), "--text", "bright sea", "--text", "gray\x1b[31m wind", "-n", "1"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert (first[:2], first[-10:]) == ("1 ", "bright sea")
    assert second.startswith("0 ")
    assert "\x1b" not in second
    assert main(["predict", str(run), "--text", "bright sea", "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["result"]
    assert (answer["text"], answer["class"], len(answer["top"])) == ("bright sea", "1", 2)


def test_lines_of_files_and_a_table(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, table = tmp_path / "lines.txt", tmp_path / "said.csv"
    path.write_bytes('\ufeffbright, "sea"\r\n\r\n  \ngray wind\n'.encode())
    assert main(["predict", str(run), str(path), "--text", "gray", "-o", str(table)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line[0] for line in said[:3]] == ["0", "1", "0"]
    assert said[3] == "2 empty lines were passed over"
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [(row["line"], row["text"], row["class"]) for row in rows] == [
        ("", "gray", "0"),
        ("1", 'bright, "sea"', "1"),
        ("4", "gray wind", "0"),
    ]
    assert rows[1]["source"] == str(path)


@pytest.mark.parametrize(
    ("content", "words", "status", "message"),
    [
        (b"sea\nqqq\n", [], 3, "knows nothing of .*lines.txt.*, line 2"),
        (b"sea \xff\n", [], 3, "no text in UTF-8.*0xff"),
        (b"\n\n", [], 3, "hold no text"),
        (None, [], 3, "cannot be read"),
        (b"sea\n", ["-o", "page.html"], 2, "ending in .csv"),
        (b"sea\n", ["--compile"], 2, "not compiled"),
        (b"sea\n", ["--int8"], 2, "--int8 is for what is written token by token"),
        (b"sea\n", ["--text", " "], 3, "is empty"),
        (b"sea\n", ["-n", "0"], 2, "-n 1 or more"),
    ],
)
def test_what_cannot_be_answered(
    content: bytes | None,
    words: list[str],
    status: int,
    message: str,
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "lines.txt"
    if content is not None:
        path.write_bytes(content)
    assert main(["predict", str(run), str(path), *words]) == status
    assert re.search(message, capsys.readouterr().err)


def test_lines_of_standard_input(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line ends with a line feed only, as in files; what is not UTF-8 is told."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\ufeffsea\u2028sun\r\nsea\n".encode())))
    assert main(["predict", str(run), "-", "--json"]) == 0
    texts = [row["text"] for row in json.loads(capsys.readouterr().out)["result"]]
    assert texts == ["sea\u2028sun", "sea"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"sea\n\xff\n")))
    assert main(["predict", str(run), "-"]) == 3
    assert "line 2 of standard input is no text in UTF-8" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"sea\nqqq\n")))
    assert main(["predict", str(run), "-"]) == 3
    assert "knows nothing of standard input, line 2" in capsys.readouterr().err


def test_nothing_to_classify(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(run)]) == 2
    assert "no text to classify" in capsys.readouterr().err


def test_evaluate_shows_the_confusions(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--part", "test"]) == 0
    said = capsys.readouterr().out
    assert "15 texts" in said
    assert "truth" in said


def test_data_check_looks_through_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mail.csv"
    path.write_text("text,label\nsea,a\nsea,b\nrain,b\n,b\nrain,b\n")
    assert main(["data", "check", str(path), "--json"]) == 9
    found = json.loads(capsys.readouterr().out)["result"]
    assert (found["texts"], found["classes"], found["twice"], found["empty"]) == (4, {"a": 1, "b": 3}, 2, 1)
    assert found["problems"] == ["1 texts stand under several classes"]
    path.write_text("text,label\nsea,a\nrain,b\n")
    assert main(["data", "check", str(path)]) == 0
    assert "2 texts in 2 classes" in capsys.readouterr().out
    for action in ("fetch", "check"):
        assert main(["data", action, "text-table"]) == 2
        assert "--data.name text-table --data.file FILE" in capsys.readouterr().err
        assert main(["data", action, "text-folder"]) == 2
        assert "text-folder is your own data" in capsys.readouterr().err
