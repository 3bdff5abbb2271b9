"""A study through the command line: trained, stopped, gone on with, reported, and what other verbs say of it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import chainrule
from chainrule.cli import main
from chainrule.core.strict_yaml import format_yaml
from chainrule.tasks.tables import open_study

STUDY = {
    "about": "two classifiers, one of them at two rates",
    "all": {"train.steps": 20, "train.evaluate_every": 10, "train.threads": 1},
    "compare": {
        "softmax-0.01": "digits-softmax",
        "softmax-0.1": {"recipe": "digits-softmax", "optim.lr": 0.1},
        "mlp": {"recipe": "digits-mlp", "model.hidden": [16], "data.validation": 0.1},
    },
}
LABELS = ["softmax-0.01", "softmax-0.1", "mlp"]
FILES = ("metrics.jsonl", "model.safetensors")


def info(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text())


def written(path: Path, **changes: Any) -> Path:
    path.write_text(format_yaml({**STUDY, **changes}))
    return path


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    """What a recipe says of threads holds for the whole process; other tests find them as they were."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("study") / "rates.yaml")


@pytest.fixture(scope="module")
def folder(file: Path) -> Path:
    assert main(["train", str(file), "-o", str(file.parent / "all"), "-q"]) == 0
    return file.parent / "all"


def equal(first: Path, second: Path, place: str) -> None:
    for name in FILES:
        assert (first / place / name).read_bytes() == (second / place / name).read_bytes()


def test_each_recipe_is_a_run(folder: Path) -> None:
    found = info(folder)
    assert (found["kind"], found["name"], found["status"]) == ("study", "rates", "finished")
    assert list(found["members"]) == list(found["result"]["members"]) == LABELS
    for label in LABELS:
        run, told = info(folder / label), found["result"]["members"][label]
        assert (run["kind"], run["name"], run["status"]) == ("recipe", label, "finished")
        assert {part: told[part] for part in ("valid", "test")} == {
            part: run["result"][part] for part in ("valid", "test")
        }
        assert (told["parameters"], told["steps"]) == (run["parameters"], 20)
    assert found["result"]["seconds"] == pytest.approx(
        sum(info(folder / label)["result"]["seconds"] for label in LABELS)
    )
    assert found["result"]["members"]["mlp"]["parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    assert not (folder / "checkpoints").exists()


def test_each_run_can_be_made_again_by_its_command(folder: Path, tmp_path: Path) -> None:
    commands = info(folder)["members"]
    assert commands["softmax-0.1"].startswith("chainrule train digits-softmax --train.steps 20")
    for label in LABELS:
        assert info(folder / label)["command"] == commands[label]
        words = shlex.split(commands[label])
        assert main([*words[1:], "-q", "-o", str(tmp_path / label)]) == 0
        equal(tmp_path, folder, label)


def test_the_recipe_of_the_folder_is_the_whole_study(folder: Path, tmp_path: Path) -> None:
    assert main(["train", str(folder / "recipe.yaml"), "-o", str(tmp_path / "again"), "-q"]) == 0
    for label in LABELS:
        equal(tmp_path / "again", folder, label)
    assert info(tmp_path / "again")["members"]["mlp"] == f"chainrule train {tmp_path}/again/mlp/recipe.yaml"


def test_the_page_shows_all_of_them(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    for words in (
        STUDY["about"],
        *LABELS,
        "Training error",
        "Validation error",
        "optim.lr",
        "multiply-adds",
        "recipes compared",
    ):
        assert str(words) in page
    (folder / "report.html").unlink()
    assert main(["report", str(folder)]) == 0
    assert (folder / "report.html").read_text() == page


def test_lists_and_other_verbs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["runs", "list", str(folder.parent), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["result"]
    assert [(Path(row["run"]).name, row["kind"]) for row in rows] == [
        ("all", "study"), *((label, "recipe") for label in sorted(LABELS))
    ]  # fmt: skip
    assert main(["runs", "show", str(folder)]) == 0
    out = capsys.readouterr().out
    accuracy = info(folder)["result"]["members"]["mlp"]["test"]["accuracy"]
    assert re.search(rf"mlp +finished .*test accuracy {accuracy:.4f}", out)
    assert main(["runs", "compare", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["result"]
    assert found["differing"]["model.hidden"] == [None, None, [16]]
    assert [Path(row["run"]).name for row in found["runs"]] == LABELS
    for verb in ("evaluate", "predict"):
        assert main([verb, str(folder), *(["x.png"] if verb == "predict" else [])]) == 4
        assert f"a folder of the runs of a study. Remedy: name one: {folder}/softmax-0.01" in capsys.readouterr().err
    assert main(["resume", str(folder), "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["result"]["members"]) == LABELS
    assert main(["evaluate", str(folder / "mlp"), "--json"]) == 0


def test_beside_other_runs_its_members_stand(folder: Path, tmp_path: Path) -> None:
    assert main(["train", "digits-svm", "--train.steps", "3", "-o", str(tmp_path / "svm"), "-q"]) == 0
    assert main(["report", str(tmp_path / "svm"), str(folder)]) == 0
    page = (tmp_path / "svm" / "report.html").read_text()
    assert "4 runs compared" in page
    assert all(label in page for label in ("digits-svm", *LABELS))


def test_what_is_trained_stays_and_the_rest_follows(folder: Path, file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "mlp")
    stopped = copy / "softmax-0.1"
    (stopped / "run.json").write_text(json.dumps({**info(stopped), "status": "interrupted"}))
    shutil.rmtree(stopped / "checkpoints" / "step-00000020")
    (copy / "run.json").write_text(json.dumps({**info(copy), "status": "running", "result": None}))
    kept = (copy / "softmax-0.01" / "run.json").stat().st_mtime_ns
    assert main(["report", str(copy)]) == 0
    page = (copy / "report.html").read_text()
    assert "it is not trained yet" in page
    assert main(["resume", str(copy), "-q"]) == 0
    assert (copy / "softmax-0.01" / "run.json").stat().st_mtime_ns == kept
    for label in LABELS:
        equal(copy, folder, label)
        assert info(copy / label)["command"] == info(folder / label)["command"]
    assert {one: found["test"] for one, found in info(copy)["result"]["members"].items()} == {
        one: found["test"] for one, found in info(folder)["result"]["members"].items()
    }
    assert main(["train", str(file), "-o", str(copy), "-q"]) == 0
    assert (copy / "mlp" / "run.json").stat().st_mtime_ns < (copy / "run.json").stat().st_mtime_ns


def test_another_study_in_the_same_folder_is_refused(
    folder: Path, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "run.json").read_bytes()
    other = written(tmp_path / "other.yaml", compare={**STUDY["compare"], "more": "digits-svm"})  # type: ignore[dict-item]
    for words in (
        ["train", str(file), "--optim.lr", "0.5"],
        ["train", str(other)],
        ["train", str(file), "--repeats", "2"],
        ["train", "digits-mlp", "--repeats", "2"],
    ):
        capsys.readouterr()
        assert main([*words, "-o", str(folder), "-q"]) == 2
        assert "holds something else" in capsys.readouterr().err
    assert (folder / "run.json").read_bytes() == before


@pytest.mark.slow
def test_killed_it_goes_on_by_the_same_command(file: Path, tmp_path: Path) -> None:
    words = ["train", str(file), "--train.steps", "120", "--train.keep_every", "40", "-q"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-m", "chainrule", *words, "-o", str(killed)]
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not (killed / "softmax-0.1" / "checkpoints" / "step-00000040").exists():
        assert time.monotonic() < deadline
        assert program.poll() is None
        time.sleep(0.005)
    program.kill()
    program.wait()
    assert info(killed)["status"] == "running"
    first = (killed / "softmax-0.01" / "run.json").stat().st_mtime_ns
    assert main([*words, "-o", str(killed)]) == 0
    assert main([*words, "-o", str(whole)]) == 0
    assert (killed / "softmax-0.01" / "run.json").stat().st_mtime_ns == first
    for label in LABELS:
        equal(killed, whole, label)


def test_ctrl_c_names_the_command_that_goes_on(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "chainrule", "train", str(file), "--train.steps", "100000", "-o", str(out)]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 90
    while not (out / "softmax-0.01" / "checkpoints" / "step-00000200").exists():
        assert time.monotonic() < deadline
        assert program.poll() is None
        time.sleep(0.05)
    os.kill(program.pid, signal.SIGINT)
    _, err = program.communicate(timeout=60)
    assert program.returncode == 130
    assert f"chainrule resume {out}" in err
    assert "softmax-0.01 (1 of 3) step" in err
    assert info(out)["status"] == info(out / "softmax-0.01")["status"] == "interrupted"


def test_several_seeds_of_each(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, words = tmp_path / "seeds", ["train", str(file), "--repeats", "2"]
    assert main([*words, "-o", str(out)]) == 0
    said = capsys.readouterr()
    assert "mlp (3 of 3), run 2 of 2 step 20/20" in said.err
    found = info(out)
    for label in LABELS:
        group = info(out / label)
        assert (group["kind"], group["count"], group["name"]) == ("repeats", 2, label)
        accuracy = found["result"]["members"][label]["test"]["accuracy"]
        values = [info(out / label / f"seed-{seed}")["result"]["test"]["accuracy"] for seed in range(2)]
        assert accuracy["mean"] == pytest.approx(statistics.fmean(values))
        assert f"{accuracy['mean']:.4f} ± {accuracy['deviation']:.4f}" in said.out
    assert info(out / "mlp" / "seed-1")["command"] == f"{found['members']['mlp']} --train.seed 1"
    page = (out / "report.html").read_text()
    assert "test deviation" in page
    shutil.rmtree(out / "mlp" / "seed-1")
    for place in (out, out / "mlp"):
        (place / "run.json").write_text(json.dumps({**info(place), "status": "interrupted", "result": None}))
    kept = (out / "softmax-0.1" / "run.json").stat().st_mtime_ns
    assert main(["resume", str(out), "-q"]) == 0
    assert (out / "softmax-0.1" / "run.json").stat().st_mtime_ns == kept
    assert info(out)["result"]["members"]["mlp"]["test"] == found["result"]["members"]["mlp"]["test"]
    assert main(["train", str(file), "--repeats", "3", "-o", str(out), "-q"]) == 0
    assert info(out)["result"]["members"]["mlp"]["seeds"] == [0, 1, 2]
    assert main(["train", str(file), "--repeats", "1", "-o", str(tmp_path / "one"), "-q"]) == 2
    assert not (tmp_path / "one").exists()


def test_one_that_fails_does_not_cost_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    far = {"recipe": "digits-softmax", "optim.name": "sgd", "optim.lr": 1e30}
    study = written(tmp_path / "far.yaml", compare={"far": far, "mlp": "digits-mlp"})
    out = tmp_path / "all"
    assert main(["train", str(study), "-o", str(out), "-q"]) == 6
    found = info(out)
    assert (found["status"], found["result"]) == ("failed", None)
    assert found["error"].startswith("far: ")
    assert info(out / "mlp")["status"] == "finished"
    page = (out / "report.html").read_text()
    assert "far: " in page
    assert main(["resume", str(out), "-q"]) == 6


def test_one_s_own_network_in_every_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = tmp_path / "net.py"
    net.write_text("from torch import nn\n\ndef Net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n")
    rates = {name: {"recipe": "digits-softmax", "optim.lr": rate} for name, rate in (("slow", 0.001), ("fast", 0.1))}
    study, out = written(tmp_path / "own.yaml", compare=rates), tmp_path / "all"
    assert main(["train", str(study), "--model", f"{net}:Net", "-o", str(out), "-q"]) == 0
    assert info(out / "slow")["program"]["names"] == ["Net"]
    (out / "run.json").write_text(json.dumps({**info(out), "status": "interrupted", "result": None}))
    shutil.rmtree(out / "fast")
    capsys.readouterr()
    assert main(["resume", str(out), "-q"]) == 4
    assert "give it again: --model FILE.py:NAME" in capsys.readouterr().err
    assert main(["resume", str(out), "--model", f"{net}:Net", "-q"]) == 0
    assert info(out)["status"] == "finished"


def test_new_and_recipes_know_studies(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy.yaml"
    assert main(["new", str(file), "-o", str(copy)]) == 0
    assert open_study(copy)[1] == open_study(file)[1]
    assert main(["new", str(file), "--train.steps", "3", "-o", str(tmp_path / "no.yaml")]) == 2
    assert not (tmp_path / "no.yaml").exists()
    capsys.readouterr()
    assert main(["recipes", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["result"]}
    assert rows["cifar10-depth"]["compare"][:2] == ["plain-20", "plain-56"]
    assert main(["recipes", "cifar10-depth"]) == 0
    assert "compare:" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["--repeats", "2"]])
def test_missing_data_leave_nothing(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHAINRULE_DATA", "CHAINRULE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    study = written(tmp_path / "missing.yaml", compare={"one": "cifar10-vgg", "two": "digits-mlp"})
    for recipe in (str(study), "cifar10-resnet20"):
        if words or recipe == str(study):
            assert main(["train", recipe, *words, "-o", str(tmp_path / "out"), "-q"]) == 3
            assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        ({"compare": ["digits-mlp"]}, 2, "too few recipes"),
        ({"compare": ["digits-mlp", "none.yaml"]}, 2, "none.yaml cannot be read"),
        ({"compare": ["digits-mlp", "./study.yaml"]}, 2, "compare.study: the recipe is a study"),
        ({"compare": {"../up": "digits-mlp", "b": "digits-svm"}}, 2, '"../up" cannot be a label'),
        ({"compare": {"a": "digits-mlp", "b": "digits-smv"}}, 2, 'did you mean "digits-svm"'),
        ({"compare": ["digits-mlp", "fashion-mlp"], "all": {"data.folder": "x"}}, 2, "no option"),
    ],
)
def test_a_wrong_study_makes_nothing(
    data: Any, status: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.yaml").write_text(format_yaml(data))
    before = sorted(tmp_path.iterdir())
    assert main(["train", str(tmp_path / "study.yaml"), "-o", str(tmp_path / "out")]) == status
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", {"members": ["mlp"]}, "commands by label"),
        ("run.json", {"members": {}}, "commands by label"),
        ("run.json", {"count": "3"}, '"count" (int)'),
        ("run.json", {"members": {"../up": "chainrule"}}, "expected the members"),
        ("recipe.yaml", "compare: [1, 2]", "the study of"),
        ("recipe.yaml", "data: {name: digits}", "the study of"),
    ],
)
def test_damaged_folders_are_told(
    name: str, content: Any, message: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    facts = {**info(copy), "status": "interrupted", "result": None}
    (copy / "run.json").write_text(json.dumps({**facts, **(content if name == "run.json" else {})}))
    if name == "recipe.yaml":
        (copy / name).write_text(content)
    capsys.readouterr()
    assert main(["resume", str(copy)]) == 4
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_in_python(tmp_path: Path) -> None:
    titles = []

    def watch(title: str) -> list[Any]:
        titles.append(title)
        return []

    found = chainrule.compare(STUDY, out=tmp_path / "all", observers=watch)
    assert list(found["members"]) == LABELS
    assert titles == ["softmax-0.01 (1 of 3)", "softmax-0.1 (2 of 3)", "mlp (3 of 3)"]
    run = chainrule.train(STUDY, out=tmp_path / "all")
    assert run.result is not None
    assert run.result["members"]["mlp"]["test"] == found["members"]["mlp"]["test"]
    assert chainrule.resume(tmp_path / "all").info["status"] == "finished"


def test_threads_of_one_recipe_are_not_those_of_the_next(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    linear = {"recipe": "digits-softmax", "train.steps": 1}
    found = chainrule.compare({"compare": {"one": {**linear, "train.threads": 1}, "two": linear}}, out=tmp_path / "all")
    assert list(found["members"]) == ["one", "two"]
    threads = [info(tmp_path / "all" / label)["environment"]["threads"] for label in ("one", "two")]
    assert threads[1] == 2
