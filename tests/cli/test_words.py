"""`chainrule words` from the command line, of runs and of files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from chainrule.cli import main

VECTORS = "king 1 1\nqueen 1 -1\nman 0 1\nwoman 0 -1\ncod -1 0.1\n"


def test_a_text_is_trained_on_and_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, run, out = tmp_path / "cat.txt", tmp_path / "run", tmp_path / "out.txt"
    text.write_text("the cat sat on the mat. the dog lay on the rug.\n" * 40)
    words = ["train", "shakespeare-skipgram", "--data.name", "text-file", "--data.file", str(text), "-o", str(run)]
    words += ["--data.subsample", "0"]
    assert main([*words, "--train.steps", "3", "--model.dim", "8", "--train.threads", "1", "--no-progress"]) == 0
    assert "loss" in capsys.readouterr().out
    assert main(["words", str(run), "cat", "cat - mat + dog", "-n", "2", "--save", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert [(one["query"], len(one["nearest"])) for one in result["queries"]] == [("cat", 2), ("cat - mat + dog", 2)]
    assert result["dim"] == 8
    assert main(["words", str(out), "cat", "-n", "2", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["result"]
    assert again["queries"][0] == result["queries"][0]
    assert again["words"] == result["words"]
    assert main(["words", str(run), "--save", str(out)]) == 2  # it exists
    assert "exists already" in capsys.readouterr().err
    assert main(["words", str(run), "catt"]) == 3
    assert 'did you mean "cat"' in capsys.readouterr().err
    assert main(["evaluate", str(run)]) == 0
    assert re.search(r"loss \d.*, [\d,]+ pairs\n$", capsys.readouterr().out)
    assert main(["report", str(run)]) == 0


def test_a_file_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "small.txt"
    path.write_text(VECTORS)
    assert main(["words", str(path), "king - man + woman", "-n", "1"]) == 0
    shown = capsys.readouterr().out
    assert "queen" in shown
    assert "0.9" in shown
    for words, status in (([], 2), (["king -"], 2), (["king", "-n", "0"], 2), (["xylophone"], 3)):
        assert main(["words", str(path), *words]) == status
    path.write_text("king 1 1\nqueen 1 1\nman 0\n")
    assert main(["words", str(path), "king"]) == 3
    assert "line 3 is broken" in capsys.readouterr().err
    assert main(["words", str(tmp_path / "none"), "king"]) == 4


def test_runs_without_words_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["train", "digits-softmax", "--train.epochs", "1", "-o", str(run), "--no-progress"]) == 0
    assert main(["words", str(run), "king"]) == 2
    assert "knows no words" in capsys.readouterr().err
