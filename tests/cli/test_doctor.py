"""`chainrule doctor train.py`: the script unchanged, the answer, the status, and one line for whatever goes wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chainrule.cli import main
from chainrule.cli._console import console

TRAINING = """
import argparse, sys
import torch
from torch import nn
from beside import steps

parser = argparse.ArgumentParser()
parser.add_argument("--json", action="store_true")
parser.add_argument("--rate", type=float, default=0.1)

def main():
    args = parser.parse_args()
    torch.manual_seed(0)
    inputs = torch.randn(256, 4)
    targets = (inputs[:, 0] > 0).long()
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=args.rate)
    for step in range(steps):
        chosen = torch.randperm(256)[:32]
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs[chosen]), targets[chosen])
        loss.backward()
        optimizer.step()
    print("fünished", args.json)
    sys.exit(0)

if __name__ == "__main__":
    main()
"""
STEPS = """
import torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
def take(width=2):
    optimizer.zero_grad()
    model(torch.randn(4, width)).square().mean().backward()
    optimizer.step()
for _ in range(5):
    take()
"""
Doctor = Callable[..., Any]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One line is one line."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    console.cache_clear()
    yield
    console.cache_clear()


@pytest.fixture
def doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Run the verb on a script in this folder and return status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(source: str, *options: str, words: tuple[str, ...] = (), name: str = "train.py") -> Any:
        Path(name).write_text(source, encoding="utf-8")
        status = main(["doctor", *options, name, *words])
        out, err = capsys.readouterr()
        return status, out, err

    return call


def test_a_script_is_run_unchanged_and_looked_at(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("steps = 60\n")
    page = tmp_path / "page.html"
    status, out, err = doctor(TRAINING, "--json", "--strict", "--html", str(page), words=("--json", "--rate", "0.3"))
    answer = json.loads(out)
    found = answer["result"]
    assert (answer["format"], answer["verb"], answer["status"]) == (1, "doctor", 0)
    assert status == 0
    assert found["healthy"] is True
    assert found["seen"]["steps"] == 60
    assert found["seen"]["complete"] is True
    assert found["seen"]["last loss"] < found["seen"]["first loss"]
    assert found["broken"] == {}
    assert "fünished True" in err  # --json behind the name is the script's
    assert "<!doctype html>" in page.read_text(encoding="utf-8")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["beside.py", "page.html", "train.py"]


def test_an_error_after_steps_is_a_finding(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    status, out, err = doctor(STEPS + "import os; os.chdir('elsewhere'); take(width=3)\n", "--strict", "-q")
    assert status == 9
    assert "mat1 and mat2 shapes cannot be multiplied" in " ".join(out.split())
    assert "[ends-in-error]" in out
    assert "train.py:7" in out
    assert "model(torch.randn(4, width)).square().mean().backward()" in out
    assert "steps before it: 5" in out
    assert err.startswith("Traceback (most recent call last):\n")
    assert "chainrule" not in err.replace("/.venv/", "")  # none of our frames


@pytest.mark.slow
def test_what_does_not_end_is_ended_and_looked_at(doctor: Doctor) -> None:
    hanging = """
while True:
    try:
        import time
        time.sleep(9)
    except Exception:
        pass
"""
    status, out, _ = doctor(STEPS + hanging, "--seconds", "2", "--json")
    seen = json.loads(out)["result"]["seen"]
    assert status == 0
    assert (seen["steps"], seen["complete"], seen["error"]) == (5, False, None)
    assert 1.5 < seen["seconds"] < 10


@pytest.mark.slow
def test_a_loop_without_an_optimizer_is_ended_too(doctor: Doctor) -> None:
    own = """
import torch
w, x = torch.zeros(3, requires_grad=True), torch.randn(50, 3)
while True:
    ((x @ w - x.sum(1)) ** 2).mean().backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad = None
"""
    _, out, _ = doctor(own, "--seconds", "1.5", "--json", name="trän ☃.py")
    found = json.loads(out)["result"]
    assert found["subject"] == "trän ☃.py"
    assert found["seen"]["backward passes"] > 10
    assert found["seen"]["last loss"] < found["seen"]["first loss"]


def test_processes_prints_and_bars_of_a_script(doctor: Doctor) -> None:
    busy = """
import os, sys
if os.fork() == 0:
    sys.exit(3)
for share in range(4):
    print(f"\\r{share} of 4", end="", flush=True)
print("\\n\\033[31mred\\033[0m and \\a")
class Data(torch.utils.data.Dataset):
    def __len__(self): return 32
    def __getitem__(self, i): return torch.ones(2) * i
for rows in torch.utils.data.DataLoader(Data(), batch_size=8, num_workers=1):
    take()
"""
    status, out, err = doctor(STEPS + busy, "--json")
    assert status == 0
    assert json.loads(out)["result"]["seen"]["steps"] == 9
    assert err.splitlines()[:2] == ["3 of 4", "red and \\x07"]


@pytest.mark.parametrize(
    ("source", "words", "status", "said"),
    [
        ("", (), 2, "trains nothing: expected a script that makes an optimizer"),
        ("import argparse; argparse.ArgumentParser().parse_args()", ("--html", "x"), 2, "ended itself with status 2"),
        ("def load():\n    open('no.csv')\nload()", (), 2, "failed at line 2: FileNotFoundError"),
        ("while True: pass", (), 2, "did not begin to train within 1 seconds"),
    ],
)
def test_what_trains_nothing_is_refused_in_one_line(
    doctor: Doctor, source: str, words: tuple[str, ...], status: int, said: str
) -> None:
    found, out, err = doctor(source, "--seconds", "1", "-q", words=words)
    assert (found, out) == (status, "")
    last = err.rstrip().splitlines()[-1]
    assert last.startswith("chainrule: your file ")
    assert said in last
    if words:
        assert "unrecognized arguments" in err  # what a quiet script said before it failed
        assert "options of doctor stand before it" in last


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "what is to be looked at is not said"),
        (["nowhere.py"], "there is no such file"),
        (["nothing-like-it"], 'there is no recipe "nothing-like-it"'),
        (["train.py:main"], "expected a whole script that trains"),
        (["--optim.lr", "1", "train.py"], "--optim.lr is for recipes"),
        (["--model", "net.py:Net", "train.py"], "--model is for recipes"),
        (["--seconds", "0", "train.py"], "--seconds is no time"),
        (["--seconds", "nan", "train.py"], "--seconds is no time"),
        (["--html", "page.txt", "train.py"], "--html names the page to write"),
        (["--html", "no/page.html", "train.py"], "there is no folder"),
        (["--list", "rate-to-high"], 'no finding is called "rate-to-high"'),
        (["digits-knn"], "digits-knn takes no steps"),
        (["digits-mlp", "--optim.zz", "3"], 'has no option "zz"'),
    ],
)
def test_wrong_words_are_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1


def test_an_error_is_json_only_where_we_are_asked_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "nowhere.py", "--json"]) == 2
    assert capsys.readouterr().out == ""
    assert main(["doctor", "--json", "nowhere.py", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["remedy"] == "check the path"


def test_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    from chainrule.diagnosis.doctor.labels import LABELS

    assert main(["doctor", "--list"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line[0] != " "]  # a long one goes on below
    assert [line.split()[0] for line in lines] == sorted(LABELS)
    assert main(["doctor", "--list", "ends-in-error", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)["result"]
    assert whole["means"] == LABELS["ends-in-error"].means


def test_a_recipe_and_a_run_are_trained_for_a_while_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    run = tmp_path / "run"
    assert main(["train", "digits-softmax", "--train.epochs", "1", "-o", str(run), "-q"]) == 0
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    capsys.readouterr()
    assert main(["doctor", str(run), "--seconds", "2", "--json", "--train.epochs", "400"]) == 0
    found = json.loads(capsys.readouterr().out)["result"]
    assert found["subject"] == "digits-softmax"
    assert found["seen"]["steps"] > 3
    assert found["seen"]["complete"] is False
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    words = ["--optim.name", "sgd", "--optim.lr", "1e9", "--train.clip_norm", "null"]
    assert main(["doctor", "digits-mlp", *words, "--strict", "--seconds", "5", "-q"]) == 9
    assert "The training ends with an error: at step" in capsys.readouterr().out
    assert [name for name in os.listdir(tmp_path / "temporary") if "chainrule" in name] == []
