"""`docs/features.md`: its examples run, and its table says what comes out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch

from chainrule.cli._settings import split_settings
from chainrule.core.errors import RecipeError
from chainrule.core.strict_yaml import parse_yaml
from chainrule.losses import LOSSES
from chainrule.ops import color_histogram, hog
from chainrule.optim.solvers import SOLVERS
from chainrule.tasks.images._features import check_features
from chainrule.tasks.images._solve import check_solvable, is_solved
from chainrule.tasks.tables import check_options, open_recipe

PAGE = (Path(__file__).parents[2] / "docs" / "features.md").read_text(encoding="utf-8")


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    scope: dict[str, object] = {}
    for example in examples:
        exec(example, scope)
    assert capsys.readouterr().out.startswith("tolerance [2.3026, ")


def test_the_table_says_how_many_numbers_there_are() -> None:
    rows = re.findall(r"^\| (\d+)x(\d+) \| (\d+) \|.*\| ([\d,]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for height, width, cell, numbers in rows:
        images = torch.zeros(1, 1, int(height), int(width))
        assert hog(images, cell=int(cell)).shape == (1, int(numbers.replace(",", "")))


def test_the_calls_of_the_color_table_are_as_wide_as_it_says() -> None:
    rows = re.findall(r"^\| `color_histogram\(images(.*?)\)` \|.*\| (.*) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    images = torch.zeros(1, 3, 2, 2)
    for settings, numbers in rows:
        found = eval(
            f"color_histogram(images{settings}, bins=5)", {"color_histogram": color_histogram, "images": images}
        )
        assert found.shape[1] == {"`bins`": 5, "3 `bins`": 15, "`bins`^3": 125}[numbers]


def test_the_recipe_is_valid() -> None:
    text = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert text is not None
    recipe = open_recipe(parse_yaml(text[1]))
    check_options(recipe)
    check_solvable(recipe)
    assert recipe.model_dump(exclude={"about"}) == open_recipe("cifar10-features").model_dump(exclude={"about"})


def test_the_commands_are_valid() -> None:
    commands = re.findall(r"^chainrule train (.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 7
    for command in commands:
        (name,), settings = split_settings(shlex.split(command, comments=True))
        recipe = open_recipe(name, settings)
        check_options(recipe)
        check_features(recipe)
        if is_solved(recipe):
            check_solvable(recipe)


def test_the_table_of_losses_is_what_solvers_take() -> None:
    rows = re.findall(r"^\| `loss: (\{.*?\})` \| (yes)? ?\| (yes)? ?\|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for loss, *answers in rows:
        assert parse_yaml(loss)["name"] in LOSSES
        for solver, answer in zip(("newton_cg", "averaged_sgd"), answers):
            assert solver in SOLVERS
            settings = {f"loss.{key}": value for key, value in parse_yaml(loss).items()}
            recipe = open_recipe("digits-softmax", {**settings, "optim.name": solver, "train.steps": 0})
            if answer:
                check_solvable(recipe)
            else:
                with pytest.raises(RecipeError, match="does not know this loss"):
                    check_solvable(recipe)
