"""`chainrule backprop FILE.py:NAME`, as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from chainrule.cli import main

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.out = nn.Embedding(10, 4), nn.Linear(4, 3)

    def forward(self, x, index):
        return self.out(torch.relu(self.table(index) + x))

class Sized(nn.Module):
    def __init__(self, size):
        super().__init__()

net = Net()
seq = nn.Sequential(nn.Linear(3, 4))
deep = nn.Sequential(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), nn.Linear(3, 3))
number = 3

def square(x):
    return x @ x

def own():
    return torch.ones(2)

def broken(x):
    raise ValueError("oops")

def leave(x):
    raise SystemExit(3)

def mine(x, y):
    return x * y

mine_inputs = (torch.tensor([2.0, 3.0]), torch.tensor(5.0))

def many(x):
    return x * 2, x.sum()
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(CODE)
    return "net.py"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["backprop", *words])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_a_class_is_built_and_walked_through(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = torch.get_rng_state()
    words = (f"{file}:Net", "--input", "5x4,5:int64", "--loss", "cross_entropy")
    status, out, err = run(capsys, *words)
    assert (status, err) == (0, "")
    for text in ("table.embedding", "out.linear", "cross_entropy", "Net: 6 operations, 3 parameter tensors", "randint"):
        assert text in out
    assert torch.equal(torch.get_rng_state(), before)
    assert run(capsys, *words)[1] == out
    assert run(capsys, *words, "--seed", "1")[1] != out


def test_json_says_everything(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, f"{file}:mine", "--json")
    answer = json.loads(out)
    assert (status, answer["verb"], answer["status"]) == (0, "backprop", 0)
    x = next(value for value in answer["result"]["values"] if value["name"] == "x")
    assert x["value"]["norm"] == pytest.approx(13**0.5)  # the file's own inputs
    assert x["gradient"]["mean"] == 5


def test_page_and_picture(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, f"{file}:net", "--input", "5x4,5:int64", "-o", "page.html")
    assert status == 0
    assert "written: page.html" in out
    assert "chainrule backprop net.py:net" in Path("page.html").read_text()
    assert run(capsys, f"{file}:square", "--input", "3x3", "--out", "graph.svg")[0] == 0
    assert Path("graph.svg").read_text().startswith("<svg")


def test_step_by_step(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, f"{file}:square", "--input", "2x2", "--step")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["square:", "forward", "backward"]


def test_depth_opens_modules(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    folded = run(capsys, f"{file}:deep", "--input", "2x3", "--depth", "0")[1]
    opened = run(capsys, f"{file}:deep", "--input", "2x3", "--depth", "1")[1]
    assert "2 operations" in folded
    assert "0.linear" not in folded
    assert "0.linear" in opened


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("net.py:Sized",), 'the class "Sized" needs size'),
        (("net.py:number",), '"number" is int: expected a function, a module or a class of one'),
        (("net.py:square",), "give their shapes, --input"),
        (("net.py:nothing",), 'has no "nothing"'),
        (("net.py:net,seq",), "names not one thing"),
        (("net.py",), "names not one thing"),
        (("no.py:net",), "there is no such file"),
        (("net.py:square", "--input", "2y2"), "is no shape"),
        (("net.py:square", "--input", "2x2", "-o", "a.txt"), "ends in .html or .svg"),
        (("net.py:square", "--input", "2x2", "-o", "none/a.svg"), "there is no folder"),
        (("net.py:square", "--input", "2x2", "--loss", "mes"), 'did you mean "mse"'),
        (("net.py:square", "--input", "2", "--loss", "cross_entropy"), "cross_entropy needs scores"),
        (("net.py:square", "--input", "2x2", "--seed", "-1"), "--seed is no seed"),
        (("net.py:square", "--input", "2x2", "--depth", "-1"), "--depth is no depth"),
        (("net.py:square", "--input", "2x2", "--at", "x=1"), "--at is for expressions"),
        (("net.py:square", "--input", "2x2", "--latex"), "--latex is for expressions"),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...], said: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
    assert not list(Path().glob("*.svg")) + list(Path().glob("*.txt"))


@pytest.mark.parametrize(
    ("words", "said", "line"),
    [
        (("net.py:broken", "--input", "2"), "ValueError: oops", 'raise ValueError("oops")'),
        (("net.py:square", "--input", "2x3"), "RuntimeError: mat1 and mat2", "return x @ x"),
        (("net.py:seq", "--input", "2x5"), "RuntimeError: mat1 and mat2", "mat1"),
        (("net.py:leave", "--input", "2"), "SystemExit: 3", "raise SystemExit(3)"),
        (("net.py:mine", "--input", "2"), "TypeError: mine() missing 1 required", "missing"),
    ],
)
def test_what_fails_in_their_code_is_shown_as_theirs(
    words: tuple[str, ...], said: str, line: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(capsys, *words)
    assert status == 2
    last = err.splitlines()[-1]
    assert last.startswith('chainrule: your file "net.py" failed')
    assert said in last
    assert line in err
    assert "_record.py" not in err
    assert "_recorder.py" not in err


def test_functions_without_arguments_and_with_several_results(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "made of constants" in run(capsys, f"{file}:own")[1]
    assert "gradients of the sum of all entries" in " ".join(run(capsys, f"{file}:many", "--input", "3")[1].split())
    assert run(capsys, f"{file}:many", "--input", "3", "--loss", "mean")[0] == 0
