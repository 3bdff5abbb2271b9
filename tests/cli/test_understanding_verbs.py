"""`optimizers`, `activation`, `bias-variance` on the command line: answers, files, and mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chainrule.cli import VERBS, main


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["result"]


def test_optimizers_as_json_and_as_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for kind, head in (("html", b"<!doctype html>"), ("gif", b"GIF89a"), ("png", b"\x89PNG"), ("svg", b"<svg")):
        file = tmp_path / f"paths.{kind}"
        found = answer(capsys, "optimizers", "bowl", "ravine", "--steps", "20", "-o", str(file))
        assert file.read_bytes().startswith(head)
        assert found["file"] == str(file)
    assert [one["surface"] for one in found["surfaces"]] == ["bowl", "ravine"]
    newton = found["surfaces"][1]["methods"][-1]
    assert (newton["label"], newton["steps"]["0.999"], newton["end"]) == ("Newton", 1, "arrived")


def test_optimizers_on_an_expression_in_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["optimizers", "x**2 + 10*y**2", "--start", "1,2", "--steps", "50", "--methods", "gd,newton"]) == 0
    text = capsys.readouterr().out
    assert "gradient descent" in text
    assert "arrives" in text
    assert "lowest that any method met" in " ".join(text.split())


def test_activation_as_json_in_words_and_as_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert answer(capsys, "activation", "max(0.25*x, 0.75*x)")["kinks"] == [[0.0, 0.25, 0.75]]
    for kind in ("html", "png", "svg"):
        assert answer(capsys, "activation", "relu", "-o", str(tmp_path / f"relu.{kind}"))["serves"] is True
        assert (tmp_path / f"relu.{kind}").stat().st_size > 1000
    assert main(["activation", "0.7*x"]) == 0
    text = capsys.readouterr().out
    assert "does not serve" in text
    assert "linear" in text


def test_bias_variance_in_words(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["bias-variance", "digits-softmax", "--over", "penalty.l2", "--values", "0.1", "--sets", "3", "-q"]
    words += ["--train.epochs", "1", "--data.limit", "120", "-o", str(tmp_path / "out")]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "bias²" in text
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["optimizers", "ravin"], 'did you mean "ravine"'),
        (["optimizers", "bowl", "--methods", "muon"], "no matrix"),
        (["optimizers", "bowl", "-o", "paths.bmp"], ".html, .gif, .png, .svg"),
        (["optimizers", "bowl", "--start", "1,q"], "no list of numbers"),
        (["optimizers", "bowl", "--seed", "-1"], "not negative"),
        (["activation", "relue"], 'did you mean "relu"'),
        (["activation", "relu", "-o", "relu.gif"], ".html, .svg, .png"),
        (["bias-variance", "digits-softmax", "--over", "penalty.l2", "--values", "{a: 1}"], "no list of values"),
        (["bias-variance", "digits-softmax", "--over", "penalty.l2", "--values", "[["], "no list of values"),
        (["bias-variance", "digits-softmax", "--over", "penalty.l2", "--values", "0,-1", "--sets", "3"], "penalty.l2"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) in (2, 3)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_verbs_are_listed() -> None:
    assert {"optimizers", "activation", "bias-variance"} <= set(VERBS)
