"""`chainrule search` and what other verbs say of a search."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from chainrule.cli import main
from chainrule.cli._settings import split_settings

SPACE = "optim.lr: {low: 1e-3, high: 0.3, scale: log}\npenalty.l2: {choices: [0.0, 1e-4]}\n"


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    (folder / "space.yaml").write_text(SPACE)
    assert main(words(folder)) == 0
    return folder / "out"


def words(folder: Path, *more: str) -> list[str]:
    space, out = str(folder / "space.yaml"), str(folder / "out")
    given = [
        "search",
        "digits-softmax",
        "--space",
        space,
        "-n",
        "5",
        "--train.epochs",
        "4",
        "--threads",
        "1",
        "-o",
        out,
    ]
    return [*given, *more]


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    status = main([*words, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == status
    return found


@pytest.mark.slow
def test_what_is_printed(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(done.parent)) == 0
    shown, said = capsys.readouterr()
    assert "initial: the loss begins at" in said
    assert "range: the loss falls from rate" in said
    assert "fine-000" in shown
    assert "standard error" in shown
    assert f"train   chainrule train {done}/best.yaml" in shown
    assert f"report  {done}/report.html" in shown
    assert "Traceback" not in said


def test_the_answer_as_json(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, *words(done.parent))["result"]
    assert len(found["trials"]) == 5
    assert found["best"]["value"] == max(row["value"] for row in found["trials"] if row["stage"] == "fine")
    assert set(found["stages"]) == {"initial", "overfit", "range"}


def test_the_recipe_that_is_found_trains(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [str(done / "best.yaml"), "--train.epochs", "1", "-o", str(tmp_path / "run")]
    assert "test" in answer(capsys, "train", *given)["result"]


def test_other_verbs_know_a_search(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = answer(capsys, "runs", "list", str(done.parent))["result"]
    assert [(row["kind"], row["status"]) for row in rows] == [("search", "finished")]
    assert rows[0]["valid"] > 0.5
    compared = answer(capsys, "runs", "compare", str(done))["result"]
    assert Path(compared["runs"][0]["run"]).name.startswith("fine-")
    assert "optim.lr" in compared["differing"]
    assert main(["runs", "show", str(done)]) == 0
    assert "coarse-000" in capsys.readouterr().out
    assert len(answer(capsys, "resume", str(done))["result"]["trials"]) == 5
    assert answer(capsys, "report", str(done))["status"] == 0
    page = (done / "report.html").read_text()
    for title in ("Answer", "What each setting does", "All trials", "Trials", "Before the search", "Rate"):
        assert f">{title}</h2>" in page
    found = answer(capsys, "evaluate", str(done))
    assert found["status"] == 4
    assert f"{done}/trials/fine-00" in found["error"]["remedy"]


def test_stages_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "digits-softmax", "--stages", "range", "-o", str(tmp_path / "rate"), "--threads", "1"]) == 0
    shown, _ = capsys.readouterr()
    assert "fastest at" in shown
    assert ">Rate</h2>" in (tmp_path / "rate" / "report.html").read_text()
    assert not list((tmp_path / "rate" / "trials").iterdir())


def test_workers_are_those_of_the_search_and_elsewhere_of_the_recipe() -> None:
    given = ["digits-cnn", "--workers", "2", "--seed", "3"]
    assert split_settings(given, own=("--workers",)) == (["digits-cnn", "--workers", "2"], {"train.seed": 3})
    assert split_settings(given) == (["digits-cnn"], {"train.workers": 2, "train.seed": 3})


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        (["--space", "nothing.yaml"], 2, "nothing.yaml"),
        (["-n", "none"], 2, "invalid int value"),
        (["--stages", "range,corse"], 2, 'did you mean "coarse"'),
        (["--storage", "postgres//x"], 2, "no address of a database"),
        (["--optim.lr", "0.1"], 2, "optim.lr is set and searched"),
        (["--data.name", "digist"], 2, 'did you mean "digits"'),
    ],
)
def test_wrong_words_make_nothing(
    more: list[str], status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    assert main(words(tmp_path, *more)) == status
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_optuna_the_command_that_adds_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import importlib.util

    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "optuna" else there(name, *a))
    assert main(["search", "digits-softmax", "-o", str(tmp_path / "out")]) == 2
    assert "pip install 'chainrule[search]'" in capsys.readouterr().err
