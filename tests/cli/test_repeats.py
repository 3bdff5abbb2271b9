"""Repeated runs: mean and deviation, a page of all seeds, and going on after an interruption."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chainrule.cli import main

WORDS = ["train", "digits-softmax", "--train.steps", "20", "--train.evaluate_every", "10", "--repeats", "3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("repeats") / "all"
    assert main([*WORDS, "-o", str(out), "-q"]) == 0
    return out


def info(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text())


def test_mean_and_deviation_are_those_of_the_runs(folder: Path) -> None:
    found = info(folder)
    assert (found["kind"], found["status"], found["count"]) == ("repeats", "finished", 3)
    assert found["command"] == f"chainrule {' '.join(WORDS)} -o {folder} -q"
    runs = [info(folder / f"seed-{seed}") for seed in range(3)]
    for part in ("valid", "test"):
        values = [run["result"][part]["accuracy"] for run in runs]
        spread = found["result"][part]["accuracy"]
        assert spread["values"] == values
        assert len(set(values)) > 1
        assert spread["mean"] == pytest.approx(statistics.fmean(values))
        assert spread["deviation"] == pytest.approx(statistics.stdev(values))
    assert [run["command"].split()[-2:] for run in runs] == [["--train.seed", str(seed)] for seed in range(3)]
    assert not (folder / "checkpoints").exists()


def test_the_page_shows_all_seeds(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    for words in ("a recipe trained with several seeds", "Spread", "seed-0", "seed-2", "Recipe", "Reproduce"):
        assert words in page
    mean = info(folder)["result"]["test"]["accuracy"]["mean"]
    assert f"{100 * mean:.2f} %" in page.replace("\u202f", " ").replace("\xa0", " ")
    (folder / "report.html").unlink()
    assert main(["report", str(folder)]) == 0
    assert (folder / "report.html").read_text() == page


def test_each_run_can_be_made_again_by_its_command(folder: Path, tmp_path: Path) -> None:
    command = info(folder / "seed-1")["command"].split()
    assert command[0] == "chainrule"
    assert main([*command[1:], "-q", "-o", str(tmp_path / "again")]) == 0
    for name in ("metrics.jsonl", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / "seed-1" / name).read_bytes()


def test_lists_and_other_verbs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["runs", "show", str(folder)]) == 0
    assert "digits-softmax, finished" in capsys.readouterr().out
    for verb in ("evaluate", "predict"):
        assert main([verb, str(folder), *(["x.png"] if verb == "predict" else [])]) == 4
        assert "a folder of repeated runs. Remedy: name one: " in capsys.readouterr().err
    assert main(["resume", str(folder)]) == 0


def test_an_interrupted_folder_goes_on(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "seed-2")
    (copy / "seed-1" / "run.json").write_text(
        (copy / "seed-1" / "run.json").read_text().replace('"finished"', '"interrupted"')
    )
    shutil.rmtree(copy / "seed-1" / "checkpoints" / "step-00000020")
    facts = info(copy)
    (copy / "run.json").write_text(json.dumps({**facts, "status": "running", "result": None}))
    kept = (copy / "seed-0" / "run.json").stat().st_mtime_ns
    assert main(["resume", str(copy), "-q"]) == 0
    assert (copy / "seed-0" / "run.json").stat().st_mtime_ns == kept
    assert info(copy)["result"]["test"] == facts["result"]["test"]
    for seed in (1, 2):
        for name in ("metrics.jsonl", "model.safetensors"):
            assert (copy / f"seed-{seed}" / name).read_bytes() == (folder / f"seed-{seed}" / name).read_bytes()
    assert info(copy / "seed-2")["command"] == info(folder / "seed-2")["command"]


def test_ctrl_c_names_the_command_that_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["100000" if word == "20" else word for word in WORDS]
    command = [sys.executable, "-m", "chainrule", *words, "-o", str(out)]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 90
    while not (out / "seed-0" / "checkpoints" / "step-00000200").exists():
        assert time.monotonic() < deadline
        assert program.poll() is None
        time.sleep(0.05)
    os.kill(program.pid, signal.SIGINT)
    _, err = program.communicate(timeout=60)
    assert program.returncode == 130
    assert f"chainrule resume {out}" in err


def test_another_recipe_in_the_same_folder_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    before = (folder / "run.json").read_bytes()
    assert main([*WORDS, "--optim.lr", "0.5", "-o", str(folder)]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert (folder / "run.json").read_bytes() == before
