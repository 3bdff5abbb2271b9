"""Recipes: read strictly, refused with the key and the nearest name, written so that they read back equal."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chainrule.core.errors import RecipeError
from chainrule.core.recipe import recipe_from_data
from chainrule.core.settings import lay_over
from chainrule.core.strict_yaml import format_yaml, parse_yaml
from chainrule.recipes import recipe_names
from chainrule.tasks.tables import TABLES, check_options, open_recipe

BASE: dict[str, Any] = {"data": {"name": "digits"}, "model": {"name": "linear"}, "train": {"epochs": 1}}


@pytest.mark.parametrize("name", recipe_names())
def test_each_recipe_is_valid_and_reads_back_equal(name: str) -> None:
    recipe = open_recipe(name)
    check_options(recipe)
    assert recipe.about
    again = recipe_from_data(parse_yaml(recipe.to_yaml()), TABLES)
    assert again == recipe


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dta": {}}, 'no section "dta".*did you mean "data"'),
        ({"train": {"epoch": 1}}, 'no key of train "epoch".*did you mean "epochs"'),
        ({"train": {"epochs": 1, "steps": 1}}, "either epochs or steps"),
        ({"train": {"epochs": -1}}, "train.epochs.*greater than 0"),
        ({"train": {"epochs": float("nan")}}, "train.epochs"),
        ({"train": {"epochs": 1, "batch": "many"}}, "train.batch.*integer.*'many'"),
        ({"train": {"epochs": 1, "batch": True}}, "train.batch"),
        ({"model": {"name": "lniear"}}, 'no model "lniear".*did you mean "linear"'),
        ({"model": {}}, "model.name is missing"),
        ({"format": 2}, "format that this version does not know"),
        ({"data": []}, "data"),
        ({"data": {"name": "digits", "validation": 1.5}}, "data.validation"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        recipe_from_data({**BASE, **changes}, TABLES)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"model.hiden": [3], "model.name": "mlp"}, 'no option "hiden".*did you mean "hidden"'),
        ({"optim.lr": "fast"}, "optim.lr.*number.*'fast'"),
        ({"model.name": "layers"}, "model.spec is missing"),
        ({"data.folder": "x"}, 'no option "folder"'),
    ],
)
def test_options_are_checked_against_the_function(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check_options(open_recipe(BASE, setting))


def test_a_new_name_takes_that_parts_defaults() -> None:
    recipe = open_recipe("digits-cnn", {"optim.name": "sgd"})
    check_options(recipe)
    assert recipe.optim.options == {}
    assert open_recipe("digits-cnn", {"optim.name": "adamw"}).optim.options["weight_decay"] == 0.05


def test_settings_commute_when_they_are_disjoint() -> None:
    one = lay_over(lay_over(BASE, {"optim.lr": 1.0}), {"train.batch": 3})
    assert one == lay_over(lay_over(BASE, {"train.batch": 3}), {"optim.lr": 1.0})
    assert BASE == {"data": {"name": "digits"}, "model": {"name": "linear"}, "train": {"epochs": 1}}


HOSTILE = [
    "a: &x [1]\nb: *x",
    "a: !!python/object/apply:os.system ['true']",
    "a: 1\na: 2",
    "<<: {a: 1}",
    "? [a]\n: 1",
    "[" * 3000,
    "{a: " * 200,
    "a: [" + "1," * 20_000 + "]",
    "x: " + "y" * 1_000_001,
    "--- 1\n--- 2",
    "\x00",
    "a: 'b",
    "\ud800",
    "a:\n\t- b",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_yaml_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_yaml(text)
    assert len(str(caught.value)) < 400


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(RecipeError):
        parse_yaml(text)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(["a", "b", "name", "on", "1e3"]), plain, max_size=4))
def test_what_is_written_reads_back_equal(data: dict[str, Any]) -> None:
    assume("<<" not in repr(data))
    assert parse_yaml(format_yaml(data)) == data


def test_missing_and_odd_files_are_named(tmp_path: Path) -> None:
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, message in ((tmp_path, "folder"), (tmp_path / "no.yaml", "cannot be read"), (binary, "not text")):
        with pytest.raises(RecipeError, match=message):
            open_recipe(str(path))
    with pytest.raises(RecipeError, match='did you mean "digits-cnn"'):
        open_recipe("digit-cnn")
