"""`chainrule predict` and `evaluate` with a run that writes captions: pictures, files, pages, the beam."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chainrule.cli import main


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("caption") / "squares"
    (folder / "images").mkdir(parents=True)
    lines = []
    for number in range(12):
        Image.new("RGB", (70, 64), (20 * number, 200 - 15 * number, 90)).save(folder / "images" / f"{number}.png")
        lines += [f"{number}.png#{k}\tsquare {number} <b>is</b> drawn\n" for k in range(2)]
    (folder / "Flickr8k.token.txt").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(squares: Path) -> Path:
    folder = squares.parent / "run"
    words = ["train", "coco-caption-attention", "--data.name", "flickr8k", "--data.folder", str(squares)]
    words += ["--encoder.weights", "null", "--encoder.size", "64", "--encoder.grid", "2", "--train.steps", "3"]
    words += ["--train.batch", "8", "--train.threads", "1", "--model.width", "16", "--decode.length", "6"]
    assert main([*words, "--no-progress", "-o", str(folder)]) == 0
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["result"]


def test_pictures_and_folders_are_captioned_line_by_line(
    run: Path, squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = squares / "images" / "3.png"
    rows = said(capsys, "predict", str(run), str(one), str(squares / "images"))
    assert [row["source"] for row in rows[:1]] == [str(one)]
    assert len(rows) == 13
    assert all(row["log_p"] < 0 for row in rows)
    assert main(["predict", str(run), str(one)]) == 0
    assert capsys.readouterr().out == f"{one}: {rows[0]['output']}\n"
    lines, table = tmp_path / "out.txt", tmp_path / "out.json"
    assert main(["predict", str(run), str(one), "-o", str(lines)]) == 0
    assert lines.read_text() == f"{rows[0]['output']}\n"
    assert main(["predict", str(run), str(one), "-n", "2", "-o", str(table)]) == 0
    assert len(json.loads(table.read_text())[0]["others"]) == 1
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(one.read_bytes())))
    (given,) = said(capsys, "predict", str(run), "-")
    assert (given["source"], given["output"]) == ("standard input", rows[0]["output"])


def test_a_page_shows_where_it_looked(run: Path, squares: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = ["predict", str(run), str(squares / "images" / "3.png"), "-n", "3", "-o", str(page)]
    assert main(words) == 0
    text = page.read_text(encoding="utf-8")
    assert "Where it looked" in text
    assert "where it looked for" in text
    assert text.count("(log p -") == 2
    assert "<b>is" not in text


def test_the_beam_is_shown(run: Path, squares: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = str(squares / "images" / "3.png")
    (row,) = said(capsys, "predict", str(run), one, "--beam", "2", "--show-beam")
    assert {found["fate"] for found in row["candidates"]} <= {"kept", "ended", "pruned"}
    assert main(["predict", str(run), one, "--show-beam"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("beam search\n")
    assert f"{one}: " in text


def test_evaluate_tells_all_orders_of_bleu(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = said(capsys, "evaluate", str(run), "--part", "train")
    assert len(facts["orders"]) == 4
    assert facts["captions"] == 2 * facts["count"] == 2 * facts["pictures"]
    capsys.readouterr()
    assert main(["evaluate", str(run)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for name in ("BLEU-1 ", "BLEU-4 ", "case:lc", "perplexity "):
        assert name in text


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([], 2, "nothing to write about"),
        (["nowhere.png"], 3, "cannot be read"),
        (["--text", "a"], 2, "writes about pictures"),
        (["x.png", "-n", "0"], 2, "-n 1 or more"),
        (["x.png", "--compile"], 2, "writes about pictures"),
        (["x.png", "y.png", "--show-beam"], 2, "one picture"),
        (["x.png", "--show-beam", "-o", "page.html"], 2, "draws in the terminal"),
        (["x.png", "-n", "2", "-o", "lines.txt"], 2, "a line holds one answer"),
    ],
)
def test_mistakes(run: Path, words: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["predict", str(run), *words]) == status
    assert message in " ".join(capsys.readouterr().err.split())
