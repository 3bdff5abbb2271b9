"""`chainrule check --as`, as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chainrule.cli import main

CODE = """
import numpy as np
print("a line of theirs")
def right(x):
    return np.maximum(x, 0), x
def right_backward(dout, x):
    return dout * (x > 0)
def wrong_backward(dout, x):
    return dout * (dout > 0)
def broken(x):
    return x.nothing
def endless(x):
    while True:
        pass
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "homework.py"
    path.write_text(CODE)
    return path


def test_right_code(file: Path, capsys) -> None:
    assert main(["check", f"{file}:right,right_backward", "--as", "relu_forward"]) == 0
    out, err = capsys.readouterr()
    assert "ReLU (C4): your code agrees with the formula on 10 of 10 cases." in out
    assert "a line of theirs" in err
    assert "a line of theirs" not in out


def test_wrong_code(file: Path, capsys) -> None:
    assert main(["check", f"{file}:right,wrong_backward", "--as", "relu", "--json"]) == 9
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == 9
    assert found["result"]["verdict"] == "wrong"
    assert [f["label"] for f in found["result"]["findings"]] == ["mask-of-upstream"]


def test_code_that_fails_is_shown_as_theirs(file: Path, capsys) -> None:
    assert main(["check", f"{file}:broken", "--as", "relu"]) == 2
    err = capsys.readouterr().err
    assert "AttributeError" in err
    assert "your file" in err
    assert "a bug of ours" not in err


def test_code_without_end(file: Path, capsys) -> None:
    assert main(["check", f"{file}:endless", "--as", "relu", "--seconds", "1"]) == 2
    assert "did not end within 1 seconds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["FILE:right", "--as", "rleu"], 'there is no formula "rleu" to compare with'),
        (["--as", "relu"], "nothing is named to compare"),
        (["FILE:right_backward", "--as", "relu"], "cannot be called without what its forward function kept"),
        (["FILE:right,right_backward,broken", "--as", "relu"], "more functions are named"),
        (["FILE:nobody", "--as", "relu"], 'has no "nobody"'),
        (["FILE:right", "--as", "relu", "--seed", "-1"], "--seed is no seed"),
        (["FILE:right", "--as", "relu", "--seconds", "0"], "--seconds is no time"),
    ],
)
def test_misuse_is_one_line(words: list[str], said: str, file: Path, capsys) -> None:
    assert main(["check", *(word.replace("FILE", str(file)) for word in words)]) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("chainrule: ")]
    assert len(err) == 1
    assert said in err[0]


def test_the_list_names_every_formula(capsys) -> None:
    assert main(["check", "--list"]) == 0
    text = capsys.readouterr().out
    for name in ("conv", "batch_norm", "lstm_step", "masked_attention", "adamw", "cosine_rate"):
        assert f"\n{name} " in text
    assert "conv_param = {pad, stride}" in text
    assert max(map(len, text.splitlines())) <= 80
