"""The command line from end to end: a training and what can be done with it, and the exit status of each failure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chainrule.cli import VERBS, main

QUICK = ["--train.steps", "4", "--no-progress", "-q"]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "one"
    assert main(["train", "digits-cnn", "-o", str(folder), *QUICK]) == 0
    return folder


def outcome(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(list(words))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_run_folder_is_complete(run_folder: Path) -> None:
    names = {path.name for path in run_folder.iterdir()}
    assert {"run.json", "recipe.yaml", "processing.json", "model.safetensors", "metrics.jsonl", "report.html"} <= names
    info = json.loads((run_folder / "run.json").read_text())
    assert info["status"] == "finished"
    assert set(info["result"]["test"]) == {"loss", "accuracy"}


def test_json_is_one_document_with_a_schema(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["evaluate", str(run_folder), "--part", "test"],
        ["runs", "list", str(run_folder.parent)],
        ["runs", "show", str(run_folder)],
        ["runs", "compare", str(run_folder), str(run_folder)],
        ["models"],
        ["models", "mlp"],
        ["recipes"],
        ["recipes", "digits-cnn"],
        ["report", str(run_folder)],
    ):
        status, out, err = outcome(capsys, *words, "--json")
        assert (status, err) == (0, ""), words
        answer = json.loads(out)
        assert (answer["format"], answer["verb"], answer["status"]) == (1, words[0], 0)
        assert outcome(capsys, *words)[0] == 0


def test_evaluate_gives_what_training_wrote_down(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = outcome(capsys, "evaluate", str(run_folder), "--part", "test", "--json")
    written = json.loads((run_folder / "run.json").read_text())["result"]["test"]
    found = json.loads(out)["result"]
    assert {key: found[key] for key in written} == written
    assert np.sum(found["confusion"]) == found["count"] == 359


def test_classes_are_not_searched_for(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = outcome(capsys, "evaluate", str(run_folder), "--decode.beam", "3")
    assert status == 2
    assert "only translations and captions are searched for: got a run of the task classify" in err


def test_predict_reads_files_and_folders(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGBA", (30, 20), (255, 0, 0, 128)).save(tmp_path / "é 1.png")
    Image.new("L", (8, 8), 200).save(tmp_path / "b.jpg")
    status, out, _ = outcome(capsys, "predict", str(run_folder), str(tmp_path), "-n", "3", "--json")
    answers = json.loads(out)["result"]
    assert status == 0
    assert [Path(answer["source"]).name for answer in answers] == ["b.jpg", "é 1.png"]
    assert all(len(answer["top"]) == 3 and 0 < answer["probability"] <= 1 for answer in answers)
    (tmp_path / "c.png").write_bytes(b"no picture")
    status, _, err = outcome(capsys, "predict", str(run_folder), str(tmp_path / "c.png"))
    assert status == 3
    assert "c.png" in err


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["tran"], 2, 'did you mean "train"'),
        (["train"], 2, "no recipe is named"),
        (["train", "digit-cnn"], 2, 'did you mean "digits-cnn"'),
        (["train", "digits-cnn", "--train.epoch", "1"], 2, 'did you mean "epochs"'),
        (["train", "digits-cnn", "--optim.lr"], 2, "needs a value"),
        (["train", "digits-cnn", "--optim.lr", "1", "--optim.lr", "2"], 2, "given twice"),
        (["train", "digits-cnn", "--model.spec", "CONV3-8 | FC-9"], 2, "10"),
        (["train", "digits-cnn", "--model", "nothing.py:Net"], 2, "nothing.py"),
        (["train", "--data.folder", "/nowhere/at/all"], 3, "/nowhere/at/all"),
        (["train", "digits-cnn", "--nonsense"], 2, "--nonsense"),
        (["resume", "nothing-here"], 4, "is no run"),
        (["evaluate", "nothing-here"], 4, "is no run"),
        (["predict", "nothing-here", "x.png"], 4, "is no run"),
        (["report", "nothing-here"], 4, "is no run"),
        (["runs", "remove", "nothing-here"], 4, "is no run"),
        (["runs", "lst"], 2, 'did you mean "list"'),
        (["models", "lennet"], 2, 'did you mean "lenet"'),
        (["design", "INPUT 8x8x1 | CONF3-4"], 2, "CONV"),
        (["data", "check", "nothing"], 3, "nothing"),
    ],
)
def test_mistakes_end_in_one_line_and_their_status(
    words: list[str],
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    found, out, err = outcome(capsys, *words)
    assert found == status, err
    assert message in err
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 5
    assert out == ""
    assert list(tmp_path.iterdir()) == [], "nothing is half made"
    found, out, _ = outcome(capsys, *words, "--json")
    assert json.loads(out)["status"] == found == status


def test_an_existing_folder_is_refused_and_left_alone(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")}
    status, _, err = outcome(capsys, "train", "digits-softmax", "-o", str(run_folder), *QUICK)
    assert (status, "exists already" in err) == (2, True)
    assert before == {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")}


def test_numbers_that_are_not_finite_stop_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model.name", "mlp", "--optim.name", "sgd", "--optim.lr", "1e30", "--data.normalize", "none"]
    status, _, err = outcome(
        capsys, "train", "digits-mlp", *words, "-o", str(tmp_path / "run"), "--train.steps", "50", "-q"
    )
    assert status == 6
    assert "the weights were not changed" in err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"


def test_a_network_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "net.py"
    program.write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, width=8):\n"
        "        super().__init__()\n"
        "        self.f = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))\n"
        "    def forward(self, x):\n"
        "        return self.f(x)\n"
    )
    folder, target = tmp_path / "run", f"{program}:Net"
    status, _, err = outcome(
        capsys, "train", "digits-mlp", "--model", target, "--model.width", "12", "-o", str(folder), *QUICK
    )
    assert status == 0, err
    assert outcome(capsys, "evaluate", str(folder), "--model", target)[0] == 0
    status, _, err = outcome(capsys, "evaluate", str(folder))
    assert status == 4
    assert "--model FILE.py:NAME" in err
    recipe = (folder / "recipe.yaml").read_text()
    assert "net.py" not in recipe
    assert (folder / "program.py").read_text() == program.read_text()


def test_help_of_each_verb(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in VERBS:
        status, out, _ = outcome(capsys, verb, "--help")
        assert status == 0
        assert "--json" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_names_the_command_that_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "run"
    words = [sys.executable, "-m", "chainrule", "train", "digits-softmax", "-o", str(folder)]
    process = subprocess.Popen([*words, "--train.steps", "1000000"], stderr=subprocess.PIPE, text=True)
    timing = folder / "events.jsonl"
    deadline = time.monotonic() + 60
    while not timing.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert f"chainrule resume {folder}" in err
    assert "Traceback" not in err
    info = json.loads((folder / "run.json").read_text())
    assert info["status"] == "interrupted"


def test_a_damaged_checkpoint_is_passed_over_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, hurt = tmp_path / "whole", tmp_path / "hurt"
    words = ["digits-softmax", "--train.steps", "12", "--train.keep_every", "5", "-q"]
    assert main(["train", *words, "-o", str(whole)]) == 0
    assert main(["train", *words, "-o", str(hurt)]) == 0
    newest = sorted((hurt / "checkpoints").iterdir())[-1] / "tensors.safetensors"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    info = json.loads((hurt / "run.json").read_text())
    (hurt / "run.json").write_text(json.dumps({**info, "status": "interrupted"}))
    status, _, err = outcome(capsys, "resume", str(hurt), "--no-progress")
    assert status == 0
    assert newest.parent.name in err, "the user is told which checkpoint was passed over"
    assert (hurt / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    assert (hurt / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
