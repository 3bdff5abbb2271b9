"""Repeated runs: mean and deviation, a page of all seeds, and going on after an interruption."""

from __future__ import annotations

import json
import os
import re
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
    assert found["result"]["seeds"] == [0, 1, 2]
    assert found["result"]["seconds"] == pytest.approx(sum(run["result"]["seconds"] for run in runs))
    assert found["parameters"] == runs[0]["parameters"] == 650


def test_the_page_shows_all_seeds(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    for words in ("a recipe trained with several seeds", "Spread", "seed 0", "seed 2", "Recipe", "Reproduce"):
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
    out = capsys.readouterr().out
    accuracy = info(folder)["result"]["test"]["accuracy"]
    mean, deviation = f"{accuracy['mean']:.4f}", f"{accuracy['deviation']:.4f}"
    assert "digits-softmax, finished" in out
    assert f"accuracy {mean} ± {deviation} ({accuracy['minimum']:.4f} to {accuracy['maximum']:.4f}, n = 3)" in out
    for seed, value in enumerate(accuracy["values"]):
        assert any(f"seed-{seed}" in line and f"test accuracy {value:.4f}" in line for line in out.splitlines())
    assert main(["runs", "list", str(folder.parent), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["result"]
    assert [Path(row["run"]).name for row in rows] == ["all", "seed-0", "seed-1", "seed-2"]
    assert (rows[0]["test"], rows[0]["test_deviation"], rows[0]["seeds"]) == (
        accuracy["mean"],
        accuracy["deviation"],
        3,
    )
    assert "seeds" not in rows[1]
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
    assert info(out)["status"] == info(out / "seed-0")["status"] == "interrupted"


def test_another_recipe_in_the_same_folder_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    before = (folder / "run.json").read_bytes()
    assert main([*WORDS, "--optim.lr", "0.5", "-o", str(folder)]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert (folder / "run.json").read_bytes() == before


def test_compare_sets_seeds_or_folders_beside_each_other(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["runs", "compare", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["result"]
    assert found["differing"] == {"train.seed": [0, 1, 2]}
    assert [row["test"] for row in found["runs"]] == info(folder)["result"]["test"]["accuracy"]["values"]
    other = tmp_path / "other"
    assert main([*WORDS[:-1], "2", "--optim.lr", "0.05", "-o", str(other), "-q"]) == 0
    capsys.readouterr()
    assert main(["runs", "compare", str(folder), str(other)]) == 0
    out = capsys.readouterr().out
    for one in (folder, other):
        accuracy = info(one)["result"]["test"]["accuracy"]
        assert f"{accuracy['mean']:.4f} ± {accuracy['deviation']:.4f}" in out
    assert re.search(r"optim\.lr +0\.01 +0\.05", out)
    assert main(["runs", "compare", str(folder / "seed-0")]) == 2
    assert main(["report", str(other), str(folder), str(folder / "seed-1")]) == 0
    page = (other / "report.html").read_text()
    for value in (
        f"{100 * info(folder)['result']['test']['accuracy']['mean']:.1f} %",
        f"{100 * info(other)['result']['test']['accuracy']['deviation']:.2f} %",
        f"{100 * info(folder / 'seed-1')['result']['test']['accuracy']:.1f} %",
    ):
        assert value in page


@pytest.mark.parametrize("cut", ["no run.json", "no checkpoint", "a checkpoint being written", "no recipe of all"])
def test_what_was_cut_short_while_it_was_made_is_made_again(folder: Path, tmp_path: Path, cut: str) -> None:
    copy = tmp_path / "all"
    shutil.copytree(folder, copy)
    facts = info(copy)
    (copy / "run.json").write_text(json.dumps({**facts, "status": "running", "result": None}))
    place = copy / "seed-1"
    if cut == "no run.json":
        shutil.rmtree(place)
        (place / "checkpoints").mkdir(parents=True)
        (place / "run.json.tmp-1-0").write_text("{")
    elif cut == "no recipe of all":
        (copy / "recipe.yaml").unlink()
    else:
        shutil.rmtree(place / "checkpoints")
        (place / "run.json").write_text(json.dumps({**info(place), "status": "running", "result": None}))
        if cut == "a checkpoint being written":
            (place / "checkpoints" / "step-00000000.tmp-1-0").mkdir(parents=True)
    kept = (copy / "seed-0" / "run.json").stat().st_mtime_ns
    assert main([*WORDS, "-o", str(copy), "-q"]) == 0
    assert info(copy)["result"]["test"] == facts["result"]["test"]
    assert (copy / "seed-0" / "run.json").stat().st_mtime_ns == kept
    for name in ("metrics.jsonl", "model.safetensors"):
        assert (place / name).read_bytes() == (folder / "seed-1" / name).read_bytes()


def test_what_is_not_ours_is_not_removed(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "all"
    shutil.copytree(folder, copy)
    (copy / "seed-3").mkdir()
    (copy / "seed-3" / "notes.txt").write_text("mine")
    assert main([*WORDS[:-1], "4", "-o", str(copy), "-q"]) == 4
    assert "is no run" in capsys.readouterr().err
    assert (copy / "seed-3" / "notes.txt").read_text() == "mine"
    assert info(copy)["status"] == "failed"
    assert "seed 3: " in info(copy)["error"]


def test_more_seeds_are_added_and_fewer_are_counted(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "all"
    shutil.copytree(folder, copy)
    three = info(copy)["result"]["test"]["accuracy"]["values"]
    kept = (copy / "seed-2" / "run.json").stat().st_mtime_ns
    assert main([*WORDS[:-1], "4", "-o", str(copy), "-q"]) == 0
    assert (copy / "seed-2" / "run.json").stat().st_mtime_ns == kept
    four = info(copy)
    assert four["result"]["test"]["accuracy"]["values"][:3] == three
    assert (four["result"]["seeds"], four["count"]) == ([0, 1, 2, 3], 4)
    assert "--repeats 4" in four["command"]
    assert main([*WORDS[:-1], "2", "-o", str(copy), "-q"]) == 0
    two = info(copy)["result"]["test"]["accuracy"]
    assert two["values"] == three[:2]
    assert two["mean"] == pytest.approx(statistics.fmean(three[:2]))
    page = (copy / "report.html").read_text()
    assert "seed 1" in page
    assert "seed 2" not in page


def test_a_moved_folder_says_where_it_is_now(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    capsys.readouterr()
    assert main(["resume", str(moved)]) == 0
    assert f"3 runs in {moved}," in capsys.readouterr().out


def test_a_seed_that_fails_is_named_and_the_others_stay(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "all"
    words = [*WORDS[:-1], "2", "--optim.lr", "1e30", "--optim.name", "sgd", "-o", str(out), "-q"]
    assert main(words) == 6
    found = info(out)
    assert (found["status"], found["result"]) == ("failed", None)
    assert found["error"].startswith("seed 0: ")
    assert main(["report", str(out)]) == 0
    page = (out / "report.html").read_text()
    assert "0 of 2 seeds are trained" in page
    assert "seed 0: " in page


def test_another_network_in_the_same_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "net.py", tmp_path / "all"
    file.write_text("from torch import nn\n\ndef Net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n")
    words = [*WORDS[:-1], "2", "--model", f"{file}:Net", "-o", str(out), "-q"]
    assert main(words) == 0
    (out / "run.json").write_text(json.dumps({**info(out), "status": "interrupted", "result": None}))
    shutil.rmtree(out / "seed-1")
    file.write_text(file.read_text() + "\n# changed\n")
    capsys.readouterr()
    assert main(words) == 2
    assert "holds something else" in capsys.readouterr().err
    assert main(["resume", str(out), "--model", f"{file}:Net", "-q"]) == 4
    assert "not the file that the run was started with" in capsys.readouterr().err
    assert not (out / "seed-1").exists()


def test_progress_tells_which_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS[:-1], "2", "-o", str(tmp_path / "all")]) == 0
    err = capsys.readouterr().err
    for number in (1, 2):
        assert f"run {number} of 2 step 20/20" in err
    assert main([*WORDS[:-1], "3", "-o", str(tmp_path / "all")]) == 0
    err = capsys.readouterr().err
    assert "run 3 of 3 step 20/20" in err
    assert "run 1" not in err


@pytest.mark.slow
def test_a_killed_folder_goes_on_by_the_same_command(tmp_path: Path) -> None:
    words = ["400" if word == "20" else word for word in WORDS[:-1]]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-m", "chainrule", *words, "2", "-o", str(killed), "-q"]
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not (killed / "seed-1" / "checkpoints" / "step-00000200").exists():
        assert time.monotonic() < deadline
        assert program.poll() is None
        time.sleep(0.005)
    program.kill()
    program.wait()
    assert info(killed)["status"] == "running"
    first = (killed / "seed-0" / "run.json").stat().st_mtime_ns
    assert main([*words, "2", "-o", str(killed), "-q"]) == 0
    assert main([*words, "2", "-o", str(whole), "-q"]) == 0
    assert (killed / "seed-0" / "run.json").stat().st_mtime_ns == first
    for seed in ("seed-0", "seed-1"):
        for name in ("metrics.jsonl", "model.safetensors"):
            assert (killed / seed / name).read_bytes() == (whole / seed / name).read_bytes()
    for part in ("valid", "test"):
        assert info(killed)["result"][part] == info(whole)["result"][part]
