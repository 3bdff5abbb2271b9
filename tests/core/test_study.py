"""Study files: read strictly, refused in one line that says where, and written so that they read back equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import ChainruleError, RecipeError
from chainrule.core.strict_yaml import format_yaml, parse_yaml
from chainrule.core.study import MOST, Member, Study, is_label, is_study, study_from_data
from chainrule.tasks.tables import open_recipe, open_study

TWO = {"a": "digits-mlp", "b": "digits-svm"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"compare": TWO, "train": {"epochs": 1}}, 'no key "train" of a study.*under `all:`'),
        ({"compare": TWO, "al": {}}, 'no key "al" of a study.*did you mean "all"'),
        ({"compare": TWO, "format": 2}, "format that this version does not know"),
        ({"compare": TWO, "about": ["x"]}, "about is one line"),
        ({"compare": TWO, "all": [1]}, "all holds no settings"),
        ({"compare": TWO, "all": {"train": {"epochs": 1}}}, 'all: "train" is no setting.*section.key'),
        ({"compare": TWO, "all": {"trian.epochs": 1}}, 'all: there is no section "trian".*did you mean "train"'),
        ({"compare": "digits-mlp"}, "compare names no recipes"),
        ({"compare": None}, "compare names no recipes"),
        ({"compare": ["digits-mlp"]}, f"too few recipes: expected 2 to {MOST}, got 1"),
        ({"compare": {}}, "too few"),
        ({"compare": [f"r{number}" for number in range(MOST + 1)]}, "too many"),
        ({"compare": ["digits-mlp", "digits-mlp"]}, 'two recipes have the label "digits-mlp".*LABEL: RECIPE'),
        ({"compare": ["one/mlp.yaml", "two/mlp.yaml"]}, 'two recipes have the label "mlp"'),
        ({"compare": {"a": "x", "A": "y"}}, 'the label "A".*"a", which some disks take for the same'),
        ({"compare": ["digits-mlp", {"recipe": "digits-svm"}]}, "a list under `compare:` holds names and paths"),
        ({"compare": {**TWO, "c": 3}}, "compare.c is no recipe.*got 3"),
        ({"compare": {**TWO, "c": None}}, "compare.c is no recipe"),
        ({"compare": {**TWO, "c": {"train.epochs": 1}}}, "compare.c names no recipe.*recipe: NAME"),
        ({"compare": {**TWO, "c": {"recipe": ["digits-mlp"]}}}, "compare.c: recipe is a name or a path"),
        ({"compare": {**TWO, "c": {"recipe": "digits-mlp", "optim": {"lr": 1}}}}, 'compare.c: "optim" is no setting'),
        ({"compare": {**TWO, "c": {"compare": TWO}}}, "compare.c is a study itself"),
    ],
)
def test_what_is_wrong_is_named(data: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        study_from_data(data)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    "label",
    ["../up", "a/b", "a\\b", "..", ".", "", "a b", "-x", ".lock", "run.json", "Recipe.YAML", "checkpoints", "facts",
     "report.html", "x.tmp-1-2", "a\n", "é", "x" * 65, "C:", "~", 3, None, "a\0b", "end."],
)  # fmt: skip
def test_labels_that_are_no_names_for_folders(label: Any) -> None:
    assert not is_label(label)
    with pytest.raises(RecipeError, match="cannot be a label"):
        study_from_data({"compare": {**TWO, label: "digits-cnn"}})


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=70))
def test_a_label_is_one_part_of_a_path(text: str) -> None:
    if is_label(text):
        assert Path(text).parts == (text,)
        assert Path("/runs", text).resolve().parent == Path("/runs")
        assert text.isascii()


names = st.sampled_from(["digits-mlp", "mine.yaml", "sub/other.yml"])
laid = st.dictionaries(
    st.sampled_from(["train.epochs", "optim.lr", "model.name", "data.limit"]),
    st.integers(0, 9) | st.floats(0, 1) | st.sampled_from(["yes", "1e-3", "adam"]) | st.lists(st.integers(0, 3)),
    max_size=3,
)
members = st.builds(Member, names, laid)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.dictionaries(st.sampled_from("abcdefg"), members, min_size=2, max_size=5), laid, st.text("ab c:#", max_size=9)
)
def test_what_is_written_reads_back_equal(found: dict[str, Member], common: dict[str, Any], about: str) -> None:
    study = Study(found, common, about)
    again = study_from_data(parse_yaml(study.to_yaml()))
    assert again == study
    assert list(again.members) == list(study.members)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=8) | st.sampled_from(["digits-mlp", "recipe", "compare"]),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["recipe", "compare", "a", "b", "data", "train.steps"]), inner, max_size=4),
        max_leaves=10,
    )
)  # fmt: skip
def test_any_data_are_read_or_refused(value: Any) -> None:
    refused = None
    try:
        open_study({"compare": value})
    except ChainruleError as error:
        refused = error
    if refused is not None:
        assert refused.exit_status == 2
        assert "\n" not in str(refused)


def test_settings_go_from_the_recipe_to_all_to_one_to_the_call() -> None:
    data = {
        "all": {"train.epochs": 7, "optim.lr": 0.5, "optim.weight_decay": 0.3},
        "compare": {
            "plain": "digits-mlp",
            "own": {"recipe": "digits-mlp", "train.epochs": 3},
            "other": {"recipe": "digits-mlp", "optim.name": "sgd", "train.steps": 9},
        },
    }
    _, found = open_study(data)
    assert [found[name].train.epochs for name in found] == [7, 3, None]
    assert found["other"].train.steps == 9
    assert found["plain"].optim.options == {"lr": 0.5, "weight_decay": 0.3}
    assert found["other"].optim.options == {}  # another optimizer, with defaults of its own
    _, found = open_study(data, {"train.epochs": 2.0, "optim.lr": 0.25})
    assert [found[name].train.epochs for name in found] == [2, 2, 2]
    assert found["other"].optim.options == {"lr": 0.25}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("digit-mlp", 'compare.x: there is no recipe "digit-mlp".*did you mean "digits-mlp"'),
        ("no/such.yaml", "compare.x: the recipe .*such.yaml cannot be read"),
        ("cifar10-depth", "compare.x: the recipe is a study"),
        ({"recipe": "digits-mlp", "optim.lr": "fast"}, "compare.x: optim.lr.*number"),
        ({"recipe": "digits-mlp", "model.hiden": [3]}, 'compare.x: .*no option "hiden"'),
        ({"data": {"name": "digits"}, "model": {"name": "linear"}}, "compare.x: .*train is missing"),
    ],
)
def test_a_member_that_is_not_valid_is_named(item: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        open_study({"compare": {"good": "digits-svm", "x": item}})
    assert "\n" not in str(caught.value)


def test_a_file_that_names_itself_or_another_study_is_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text(format_yaml({"compare": {"a": "digits-mlp", "me": "./one.yaml"}}))
    with pytest.raises(RecipeError, match=r"compare.me: the recipe is a study, which compares recipes"):
        open_study(one)
    one.write_text(format_yaml({"compare": {"a": "digits-mlp", "b": "two.yaml"}}))
    two.write_text(format_yaml({"compare": {"a": "digits-mlp", "b": "one.yaml"}}))
    with pytest.raises(RecipeError, match=r"compare.b: the recipe is a study"):
        open_study(two)
    with pytest.raises(RecipeError, match="is a study, which compares recipes"):
        open_recipe(str(one))
    with pytest.raises(RecipeError, match="is no study"):
        open_study("digits-mlp")


def test_paths_start_at_the_folder_of_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "small.yaml").write_text(open_recipe("digits-mlp", {"train.epochs": 3}).to_yaml())
    file = tmp_path / "study.yaml"
    file.write_text(format_yaml({"compare": ["digits-svm", "mine/small.yaml"]}))
    monkeypatch.chdir(tmp_path / "mine")
    _, found = open_study("../study.yaml")
    assert list(found) == ["digits-svm", "small"]
    assert found["small"].train.epochs == 3
    assert is_study(parse_yaml(file.read_text()))
