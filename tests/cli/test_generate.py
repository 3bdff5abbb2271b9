"""`chainrule generate` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chainrule.cli import main


def test_a_text_is_trained_on_and_written_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, run = tmp_path / "cat.txt", tmp_path / "run"
    text.write_text("the cat sat on the mat.\n" * 60)
    words = ["train", "shakespeare-lstm", "--data.name", "text-file", "--data.file", str(text), "-o", str(run)]
    words += ["--train.steps", "3", "--model.width", "16", "--data.length", "8", "--train.batch", "4", "--no-progress"]
    assert main(words) == 0
    assert "bits" in capsys.readouterr().out
    assert main(["generate", str(run), "--prompt", "the ", "-n", "12", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["prompt"] == "the "
    assert len(result["text"]) == 12
    assert main(["generate", str(run), "--prompt", "the ", "-n", "12"]) == 0
    assert capsys.readouterr().out == "the " + result["text"] + "\n"
    assert main(["generate", str(run), "--prompt", "the ", "-n", "12", "--temperature", "0", "--int8"]) == 0
    assert capsys.readouterr().out.startswith("the ")
    assert main(["predict", str(run), "--int8"]) == 2
    assert "does not answer new inputs" in capsys.readouterr().err
    assert main(["generate", str(run), "-n", "0"]) == 2
    assert main(["generate", str(run), "--temperature", "-1"]) == 2
    assert main(["generate", str(run), "--prompt", "ЖЖ"]) == 3
    assert main(["evaluate", str(run)]) == 0
    assert "bits" in capsys.readouterr().out
