"""`chainrule check FILE.py:NAME`: the verdict, the status, and one line for whatever is wrong with the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chainrule.cli import main
from chainrule.cli._console import console

BATCH_NORM = """
import numpy as np

def batchnorm_forward(x, gamma, beta):
    mu, var = x.mean(axis=0), x.var(axis=0)
    std = np.sqrt(var + 1e-5)
    xhat = (x - mu) / std
    return gamma * xhat + beta, (xhat, gamma, std)

def batchnorm_backward(dout, cache):
    xhat, gamma, std = cache
    dgamma = (dout * xhat).sum(axis=0) {slip}
    dbeta = dout.sum(axis=0)
    dxhat = dout * gamma
    dx = (dxhat - dxhat.mean(axis=0) - xhat * (dxhat * xhat).mean(axis=0)) / std
    return dx, dgamma, dbeta
"""
TORCH = """
import torch
from torch import nn

class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return x * dout

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        print("called")
        return self.layer(x).relu()

class Sized(Net):
    def __init__(self, width):
        super().__init__()

ready = Net()

def loss(scores, classes):
    return nn.functional.cross_entropy(scores, classes)

def inputs():
    return (torch.randn(4, 3),)

loss_inputs = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.py"
    path.write_text(text, encoding="utf-8")
    return path


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["check", *words])
    return status, *capsys.readouterr()


def test_a_right_pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, BATCH_NORM.format(slip=""))
    status, out, err = check(capsys, f"{path}:batchnorm_forward,batchnorm_backward", "--input", "4x3,3,3")
    assert status == 0, err
    assert out.startswith("The gradient is right: 3 tensors, 18 entries")


def test_a_wrong_pair_as_text_and_as_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    console.cache_clear()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    path = write(tmp_path, BATCH_NORM.format(slip="/ 4"))
    words = f"{path}:batchnorm_forward,batchnorm_backward", "--input", "4x3,3,3"
    status, out, _ = check(capsys, *words)
    assert status == 9
    assert " ".join(out.split()).startswith("The gradient of gamma is wrong: it is 1/4 of what it should be")
    assert max(map(len, out.splitlines())) <= 80
    assert "WRONG" in out
    console.cache_clear()
    status, out, _ = check(capsys, *words, "--json")
    told: dict[str, Any] = json.loads(out)
    assert told["status"] == status == 9
    assert told["result"]["right"] is False
    assert {t["name"]: t["state"] for t in told["result"]["tensors"]} == {
        "x": "right", "gamma": "wrong", "beta": "right",
    }  # fmt: skip


@pytest.mark.slow
def test_modules_functions_and_the_files_own_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, TORCH)
    for name, status, tensors in (
        ("Square", 9, ["x"]),
        ("Net", 0, ["x", "layer.weight", "layer.bias"]),
        ("ready", 0, ["x", "layer.weight", "layer.bias"]),
        ("loss", 0, ["scores"]),
    ):
        found, out, err = check(capsys, f"{path}:{name}", "--json")
        assert found == status, err
        assert [tensor["name"] for tensor in json.loads(out)["result"]["tensors"]] == tensors
        assert ("called" in err) == (name in ("Net", "ready"))
    found, out, _ = check(capsys, f"{path}:loss", "--input", "2x5,2:int64", "--json")
    assert found == 0
    assert json.loads(out)["result"]["tensors"][0]["shape"] == [2, 5]


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        (BATCH_NORM.format(slip=""), ["batchnorm_forward,batchnorm_backward"], "there are no inputs to call"),
        (BATCH_NORM.format(slip=""), ["batchnorm_forward,batchnorm_backward", "--input", "4x3"], "do not fit"),
        (BATCH_NORM.format(slip="+ nothing"), ["batchnorm_forward,batchnorm_backward", "--input", "4x3,3,3"],
         "failed at line 12: NameError"),
        (TORCH, ["Sized"], 'the class "Sized" needs width'),
        (TORCH, ["loss_inputs"], '"loss_inputs" is tuple'),
        (TORCH, ["Sizes"], 'did you mean "Sized"'),
        ("def f(x):\n    while True: pass", ["f", "--input", "3", "--seconds", "0.5"], "did not end within 0.5"),
        ("def f(x:", ["f", "--input", "3"], "SyntaxError"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file(
    text: str, words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, text)
    status, out, err = check(capsys, f"{path}:{words[0]}", *words[1:])
    assert status == 2
    assert out == ""
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "what is to be checked is not said"),
        (["mine"], "names no code"),
        (["mine.py:f", "--input", "4y3"], "is no shape"),
        (["mine.py:f", "--input", "4:int63"], 'there is no type "int63"'),
        (["mine.py:f", "--input", "99999x99999x99999"], "too large"),
        (["mine.py:f", "--seconds", "nan"], "--seconds is no time"),
        (["mine.py:f", "--seed", "-1"], "--seed is no seed"),
    ],
)
def test_wrong_words(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = check(capsys, *words)
    assert status == 2
    assert said in err
