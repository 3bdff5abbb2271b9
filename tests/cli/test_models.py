"""`chainrule models`: the list, and the card and options of one."""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import pytest

from chainrule.cli import main
from chainrule.cli._console import console
from chainrule.models import EVERY_MODEL
from chainrule.tasks.tables import accepted_options


def said(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["models", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["result"]


def read(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["models", *words]) == 0
    return capsys.readouterr().out


def test_the_list_has_every_model_and_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["name"]: row for row in said(capsys)}
    assert sorted(rows) == EVERY_MODEL.names()
    assert rows["squeezenet"]["parameters"] == [1_235_496, 1_248_424]
    lines = read(capsys).splitlines()
    assert [line.split()[0] for line in lines] == ["model", *EVERY_MODEL.names(), "timm:NAME"]
    found = next(line for line in lines if line.split()[0] == "resnet")
    assert found.rstrip().endswith("11.7 M to 60.2 M")
    assert next(line for line in lines if line.split()[0] == "lenet").rstrip().endswith(" 61.7 k")


@pytest.mark.parametrize("name", EVERY_MODEL.names())
def test_one_shows_its_card_and_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found, card = said(capsys, name), EVERY_MODEL.entry(name).card
    assert found["card"] == card
    assert list(found["options"]) == list(accepted_options(EVERY_MODEL.resolve(name)))
    text = read(capsys, name)
    assert text.startswith(f"{name}: {EVERY_MODEL.entry(name).about}\n")
    for key, option in found["options"].items():
        assert option["about"], key
        line = next(line for line in text.splitlines() if line.split()[:1] == [f"--model.{key}"])
        assert option["about"] in line
        assert (option["default"] or "needed") in line
    for form in card.get("forms", ()):
        channels, high, wide = form["input"]
        numbers = [f"{high}x{wide}x{channels}", *(f"{form[k]:,}" for k in ("classes", "parameters", "multiply_adds"))]
        assert any(line.split()[-4:] == numbers for line in text.splitlines()), form
    assert card["source"].removeprefix("LECTURES ") in text
    assert card.get("paper", "") in text


def test_weights_and_what_they_expect_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = read(capsys, "squeezenet")
    for part in (
        "squeezenet1_0 (version 1.0), 1,000 classes",
        "shorter side 256, middle 224x224",
        "squeezenet1_0.safetensors, sha256 59bb62365939aeb6749750e4d15f9b7630fa8bbcbda22a685ef5193671e58d48",
        "BSD 2-clause",
        "mean 0.485, 0.456, 0.406; deviation 0.229, 0.224, 0.225",
        "departures",
    ):
        assert part in text
    assert "sha256" not in read(capsys, "resnet")


def test_options_with_no_default_are_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "layers")["options"]["spec"]["default"] is None
    assert ["--model.spec", "needed"] in [line.split()[:2] for line in read(capsys, "layers").splitlines()]


@pytest.mark.parametrize("width", ["72", "100"])
def test_it_fits_into_a_terminal(width: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:

    monkeypatch.setenv("COLUMNS", width)
    console.cache_clear()
    try:
        assert main(["models", "alexnet"]) == 0
        text = capsys.readouterr().out
    finally:
        console.cache_clear()
    assert all(len(line) <= int(width) for line in text.splitlines())
    assert "60,965,224" in text


def test_a_network_of_timm(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    module: Any = types.ModuleType("timm")
    module.is_model, module.list_models = lambda name: name == "tiny", lambda: ["tiny"]
    monkeypatch.setitem(sys.modules, "timm", module)
    assert said(capsys, "timm:tiny")["options"] == {}
    assert read(capsys, "timm:tiny").startswith("timm:tiny: a network of the package timm")


def test_what_is_no_model_ends_with_status_2(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    for word, message in (("alexnt", 'did you mean "alexnet"'), ("timm:resnet18", "pip install timm"), ("timm:", "no")):
        assert main(["models", word]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
