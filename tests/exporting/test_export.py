"""Runs in the form of other programs: what is written, how it compares, what is refused."""

from __future__ import annotations

import builtins
import io
import json
import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

import chainrule
from chainrule.cli import main
from chainrule.core.errors import DataError, UsageError
from chainrule.exporting._ctranslate2_outputs import Compared
from chainrule.tasks import Run

TINY = {"name": "transformer", "width": 16, "num_heads": 2, "layers": 1, "hidden": 24, "dropout": 0.0}
QUICK = {"steps": 3, "threads": 1, "test": False}


def trained(
    out: Path, *, model: dict[str, Any], data: dict[str, Any], tokenizer: str, steps: int = 3, beam: int = 1
) -> Run:
    recipe = {
        "task": "translate",
        "data": {"tokenizer": tokenizer, "validation": 0.2, **data},
        "model": {**TINY, **model},
        "optim": {"name": "adamw", "lr": 0.01},
        "train": {**QUICK, "steps": steps},
        "decode": {"beam": beam, "length": 8, "length_exponent": 0.8},
    }
    return chainrule.train(recipe, out=out, report=False)


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one vocabulary for both sides."""
    folder = tmp_path_factory.mktemp("sums") / "run"
    data = {"name": "addition", "digits": 2, "count": 100}
    trained(folder, model={"tie": "all"}, data=data, tokenizer="characters")
    return folder


@pytest.fixture(scope="module")
def colors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a vocabulary for each side, whose pairs are files; it learned some, and follows three hypotheses."""
    place = tmp_path_factory.mktemp("colors")
    words = {"red": "rouge", "blue": "bleu", "green": "vert", "black": "noir", "white": "blanc", "old": "vieux"}
    pairs = [(f"{a} {b}", f"{words[a]} {words[b]}") for a in words for b in words if a != b]
    for name, side in (("a.en", 0), ("a.fr", 1)):
        (place / name).write_text("".join(pair[side] + "\n" for pair in pairs), encoding="utf-8")
    files = {"source": str(place / "a.en"), "target": str(place / "a.fr")}
    data = {"name": "parallel-files", **files, "joint": False}
    trained(place / "run", model={"order": "post"}, data=data, tokenizer="words", steps=120, beam=3)
    return place / "run"


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = main(["export", *words, "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("which", "text", "files"),
    [
        ("sums", "1+2=", ["shared_vocabulary.json", "tokenizer.json"]),
        (
            "colors",
            "red old",
            ["source_tokenizer.json", "source_vocabulary.json", "target_tokenizer.json", "target_vocabulary.json"],
        ),
    ],
)
def test_the_folder_is_used_as_its_readme_says(
    which: str,
    text: str,
    files: list[str],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = request.getfixturevalue(which)
    found = chainrule.export(run, "ctranslate2", out=tmp_path / "out")
    there = sorted(file.name for file in found.folder.iterdir())
    assert there == sorted([*files, "README.txt", "config.json", "model.bin"])
    assert found.size == sum(file.stat().st_size for file in found.folder.iterdir())
    compared = found.outcome.facts["compared"]
    assert compared["difference"] < 1e-4
    assert compared["equal"] == 1
    assert compared["tokens"] > compared["sentences"] > 4
    assert found.outcome.agrees
    code = re.findall(r"^    (.*)\n", (found.folder / "README.txt").read_text(), re.MULTILINE)
    program = tmp_path / "use.py"
    program.write_text("\n".join(code))
    monkeypatch.chdir(found.folder)
    monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))
    capsys.readouterr()
    runpy.run_path(str(program))
    (own,) = Run.open(run).translate([text])
    assert capsys.readouterr().out.strip() == own.output


def test_the_command_tells_how_the_answers_compare(
    sums: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = said(capsys, str(sums), "--to", "ctranslate2", "-o", str(tmp_path / "a"), "-n", "7")
    assert (status, told["result"]["agrees"]) == (0, True)
    assert told["result"]["compared"]["sentences"] == 7
    assert told["result"]["compared"]["beam"] == 1
    exact = told["result"]["bytes"]
    words = [str(sums), "--to", "ctranslate2", "-o", str(tmp_path / "b"), "--quantization", "int8"]
    status, told = said(capsys, *words)
    assert status == 0
    assert told["result"]["quantization"] == "int8"
    assert told["result"]["bytes"] < exact
    assert 1e-5 < told["result"]["compared"]["difference"] < 0.5
    assert main(["export", str(sums), "--to", "ctranslate2", "-o", str(tmp_path / "c")]) == 0
    out = capsys.readouterr().out
    assert "compared on 20 sentences: 100.0% of the translations are equal, by a beam of 1" in out
    assert "CTranslate2 computed in float32" in out
    assert f"folder  {tmp_path / 'c'}" in out


def test_sentences_of_a_file_are_compared_without_references(
    sums: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "given.txt").write_text("12+7=\n\n3+4=\n3+4=\n", encoding="utf-8")
    words = [str(sums), "--to", "ctranslate2", "--compare", str(tmp_path / "given.txt")]
    _, told = said(capsys, *words, "-o", str(tmp_path / "a"))
    assert told["result"]["compared"]["sentences"] == 2
    assert told["result"]["compared"]["difference"] < 1e-4
    (tmp_path / "given.txt").write_text("\n")
    status, told = said(capsys, *words, "-o", str(tmp_path / "b"))
    assert (status, told["error"]["expected"]) == (3, "a sentence a line")
    with pytest.raises(DataError, match="cannot be read"):
        chainrule.export(sums, "ctranslate2", out=tmp_path / "b", compare=tmp_path / "nothing.txt")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "given.txt"]


def test_a_run_whose_data_are_gone_is_written_and_not_compared(colors: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(colors, run)
    recipe = (run / "recipe.yaml").read_text()
    (run / "recipe.yaml").write_text(recipe.replace("a.en", "gone.en"))
    found = chainrule.export(run, "ctranslate2")
    assert found.folder == run / "ctranslate2"
    assert found.outcome.facts["compared"] is None
    assert "the data of the run are not there" in found.outcome.said[0]
    assert (found.folder / "model.bin").is_file()
    none = chainrule.export(colors, "ctranslate2", out=tmp_path / "none", count=0)
    assert none.outcome.said == ("not compared: no sentences were asked for",)


def test_answers_that_should_be_equal_and_are_not_end_with_a_status(
    sums: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compared, "TOLERANCE", 0.0)
    assert main(["export", str(sums), "--to", "ctranslate2", "-o", str(tmp_path / "a")]) == 9
    assert "do not use the folder" in capsys.readouterr().out
    words = [str(sums), "--to", "ctranslate2", "-o", str(tmp_path / "b"), "--quantization", "int8"]
    assert said(capsys, *words)[0] == 0  # of rounded numbers nothing else is expected


def test_a_network_of_ones_own_is_given_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "net.py"
    program.write_text(
        "from chainrule.models.sequence._encoder_decoder import EncoderDecoder\n"
        "def Net(source, target):\n"
        "    return EncoderDecoder(source, target, width=8, num_heads=1, layers=1, positions='rotary')\n"
    )
    run, target = str(tmp_path / "run"), f"{program}:Net"
    words = ["addition-transformer", "--model", target, "--data.count", "100", "--data.validation", "0.1"]
    assert main(["train", *words, "--train.steps", "2", "--train.test", "false", "-q", "-o", run]) == 0
    status, told = said(capsys, run, "--to", "ctranslate2")
    assert (status, "--model FILE.py:NAME" in told["error"]["remedy"]) == (4, True)
    status, told = said(capsys, run, "--to", "ctranslate2", "--model", target)
    assert status == 0
    assert told["result"]["compared"]["difference"] < 1e-4


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--to", "onxx"], r'there is no export form "onxx"'),
        (["--to", "ctranslate2", "--quantization", "int7"], r'no quantization "int7".*did you mean "int8"'),
        (["--to", "ctranslate2", "-n", "-1"], r"expected 0 or more, got -1"),
        ([], r"the following arguments are required: --to"),
    ],
)
def test_wrong_words_are_named(
    words: list[str], what: str, sums: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = said(capsys, str(sums), *words, "-o", str(tmp_path / "out"))
    assert status == 2
    assert re.search(what, told["error"]["message"])
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_kept(sums: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(UsageError, match="exists already"):
        chainrule.export(sums, "ctranslate2", out=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(UsageError, match='ctranslate2 has no option "quantisation".*did you mean "quantization"'):
        chainrule.export(sums, "ctranslate2", out=tmp_path / "new", quantisation="int8")


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ({"order": "inner"}, "expected the order pre or post, got order inner"),
        ({"name": "seq2seq", "width": 8}, "expected a run of the model transformer, got a network Seq2Seq"),
    ],
)
def test_a_network_that_cannot_be_said_leaves_nothing(model: dict[str, Any], what: str, tmp_path: Path) -> None:
    recipe = {
        "task": "translate",
        "data": {"name": "addition", "digits": 2, "count": 60, "validation": 0.2, "tokenizer": "characters"},
        "model": model if model.get("name") else {**TINY, **model},
        "optim": {"name": "adamw", "lr": 0.01},
        "train": QUICK,
    }
    run = chainrule.train(recipe, out=tmp_path / "run", report=False)
    before = sorted(run.path.iterdir())
    with pytest.raises(UsageError, match=what):
        chainrule.export(run.path, "ctranslate2")
    assert sorted(run.path.iterdir()) == before


def test_a_run_that_does_not_translate_is_refused(tmp_path: Path) -> None:
    recipe = {
        "data": {"name": "digits"},
        "model": {"name": "linear"},
        "optim": {"name": "sgd", "lr": 0.1},
        "train": {"steps": 1, "threads": 1},
    }
    run = chainrule.train(recipe, out=tmp_path / "run", report=False)
    with pytest.raises(UsageError, match="got a run of the task classify"):
        chainrule.export(run.path, "ctranslate2")
    assert not (run.path / "ctranslate2").exists()


def test_without_the_package_it_says_how_it_is_got(sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("ctranslate2"):
            raise ImportError(name)
        return true(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"needs the package ctranslate2. Remedy: pip install 'chainrule\[export\]'"):
        chainrule.export(sums, "ctranslate2", out=tmp_path / "out")
    assert not list(tmp_path.iterdir())
