"""`chainrule recipes`, and what docs/recipes.md says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from chainrule.cli import main
from chainrule.core.recipe import recipe_from_data
from chainrule.core.strict_yaml import parse_yaml
from chainrule.models import MODELS
from chainrule.tasks.tables import TABLES, check_options, open_recipe, open_study, recipe_keys

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["result"]


def test_every_key_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    rows = said(capsys, "recipes", "--keys")
    assert [row for row in rows if not row["about"]] == []
    keys = {row["key"] for row in rows}
    assert {"train.epochs", "optim.lr", "model.hidden", "data.folder", "init.scheme"} <= keys
    assert {row["part"] for row in rows if row["key"] == "optim.lr"} == set(TABLES["optim"].names()) - {"newton_cg"}
    assert {row["part"] for row in rows if row["key"] == "data.features.cell"} == {"hog"}
    assert not {"optim.l2", "optim.classes", "optim.generator"} & keys, "a solver takes them from elsewhere"


def test_the_defaults_are_those_of_a_recipe_that_leaves_all_out() -> None:
    given = recipe_from_data({"data": {"name": "digits"}, "model": {"name": "linear"}, "train": {"steps": 1}}, TABLES)
    for row in recipe_keys():
        section, _, key = row["key"].partition(".")
        if row["part"] or key in ("name", "steps") or row["task"] not in ("", "classify"):
            continue
        value = getattr(getattr(given, section), key)
        assert parse_yaml(f"x: {row['default']}")["x"] == value, row["key"]


def test_keys_of_one_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert {row["key"].split(".")[0] for row in said(capsys, "recipes", "penalty", "--keys")} == {"penalty"}
    assert main(["recipes", "penlty", "--keys"]) == 2
    assert 'did you mean "penalty"' in capsys.readouterr().err


def test_the_page_shows_a_recipe_that_is_valid() -> None:
    text = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert text is not None
    data = parse_yaml(text[1])
    check_options(recipe_from_data(data, TABLES))
    assert {"data", "augment", "model", "init", "loss", "penalty", "optim", "schedule", "train"} <= set(data)


def test_the_conventions_on_the_page_are_options() -> None:
    table = PAGE.partition("## Conventions")[2]
    sections = re.findall(r"`(\w+: \{[^`]*\})`", table)
    assert len(sections) >= 6
    for text in sections:
        ((section, values),) = parse_yaml(re.sub(r": d\b", ": 0.1", text)).items()
        check_options(open_recipe("digits-mlp", {f"{section}.{key}": value for key, value in values.items()}))
    for setting in ({"optim.name": "sgd", "optim.form": "step"}, {"optim.epsilon": "inside"}, {"penalty.on": "all"}):
        assert all(f"{key.split('.')[1]}: {value}" in PAGE for key, value in setting.items() if value != "sgd")
        check_options(open_recipe("digits-mlp", setting))


def test_the_page_shows_groups_that_are_valid() -> None:
    (text,) = (parse_yaml(block) for block in BLOCKS if block.startswith("optim:"))
    recipe = open_recipe({**open_recipe("digits-mlp").to_data(), **text})
    assert [group.of for group in recipe.optim.groups] == ["conv1.*", "embed*"]


def test_the_page_shows_a_study_that_is_valid(tmp_path: Path) -> None:
    (text,) = (block for block in BLOCKS if "compare:" in block)
    (tmp_path / "study.yaml").write_text(text)
    (tmp_path / "mine.yaml").write_text(open_recipe("digits-mlp", {"model.hidden": [5]}).to_yaml())
    _, recipes = open_study(tmp_path / "study.yaml")
    assert list(recipes) == ["plain", "dropout", "mine"]
    assert recipes["mine"].model.options["hidden"] == [5]
    assert recipes["plain"].train.epochs == 8


def test_parameters_on_the_page_are_those_of_the_networks() -> None:
    _, recipes = open_study("cifar10-depth")
    rows = re.findall(r"^\| `([\w-]+)` \| `\w+`,.*\| ([\d,]+) \| [\d,]+ \|$", PAGE, re.MULTILINE)
    assert {label for label, _ in rows} == set(recipes)
    named = re.findall(r"^\| `([\w-]+)` \| .*?([\d,]+) parameters", PAGE, re.MULTILINE)
    assert len(named) == 4
    for name, written in [*rows, *named]:
        recipe = recipes[name] if name in recipes else open_recipe(name)
        shape = (1, 28, 28) if recipe.data.name == "fashion-mnist" else (3, 32, 32)
        options = {key: value for key, value in recipe.model.options.items() if value is not None}
        with torch.device("meta"):
            network = MODELS.resolve(recipe.model.name)(shape, 10, **options)
        assert f"{sum(parameter.numel() for parameter in network.parameters()):,}" == written, name
