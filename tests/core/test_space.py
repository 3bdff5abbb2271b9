"""A space of settings: what is one, what is none and why, and its neighborhoods."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core.errors import RecipeError
from chainrule.core.space import Axis, space_from_data, space_to_data
from chainrule.core.strict_yaml import format_yaml, parse_yaml

WHOLE: dict[str, Any] = {
    "optim.lr": {"low": 1e-4, "high": 0.1, "scale": "log"},
    "model.dropout": {"low": 0.0, "high": 0.5, "scale": "linear"},
    "train.batch": {"low": 16, "high": 128, "scale": "linear", "step": 16},
    "model.hidden": {"choices": [[64], [128, 64]]},
}


def test_a_space_comes_back_from_its_text() -> None:
    space = space_from_data({"format": 1, "about": "all kinds of axes", **WHOLE})
    assert space_to_data(space) == WHOLE
    assert space_from_data(parse_yaml(format_yaml(space_to_data(space)))) == space
    assert [name for name, axis in space.items() if axis.whole] == ["train.batch"]
    assert space["model.hidden"].examples == ([64], [128, 64])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "is no space"),
        ({}, "too few axes"),
        ({f"model.a{number}": {"low": 0, "high": 1} for number in range(13)}, "1 to 12"),
        ({"format": 2, **WHOLE}, "format"),
        ({"about": 3, **WHOLE}, "one line of text"),
        ({"lr": {"low": 0.1, "high": 1.0}}, "section.key, such as optim.lr"),
        ({"optim.a.b": {"low": 0.1, "high": 1.0}}, "no setting of a recipe"),
        ({"optim.lr": 0.1}, "a fixed value is a setting"),
        ({"optim.lr": [0.1, 0.2]}, "write {choices: [0.1, 0.2]}"),
        ({"optim.lr": {"low": 0.1, "hihg": 1.0}}, 'did you mean "high"'),
        ({"optim.lr": {"low": 0.1}}, "high is missing"),
        ({"optim.lr": {"low": "a", "high": 1.0}}, "low is no number"),
        ({"optim.lr": {"low": True, "high": 2}}, "low is no number"),
        ({"optim.lr": {"low": 0.1, "high": float("inf")}}, "high is no number"),
        ({"optim.lr": {"low": 1.0, "high": 0.1}}, "low below high"),
        ({"optim.lr": {"low": 0.0, "high": 0.1, "scale": "log"}}, "a log scale begins above 0"),
        ({"optim.lr": {"low": 0.1, "high": 1.0, "scale": "ln"}}, "linear or log"),
        ({"optim.lr": {"low": 0.1, "high": 1.0, "scale": "log", "step": 0.1}}, "a step of a linear scale"),
        ({"optim.lr": {"low": 0.1, "high": 1.0, "step": 2.0}}, "at most high - low"),
        ({"train.batch": {"low": 16, "high": 64, "step": 0.5}}, "whole numbers have a whole step"),
        ({"model.hidden": {"choices": []}}, "a list of 1 to 50 values"),
        ({"model.hidden": {"choices": [[64], [32], [64]]}}, "a choice is there twice"),
        ({"model.hidden": {"choices": [1, 2], "low": 0.0}}, "choices and a range"),
    ],
)
def test_what_is_no_space_is_refused_and_why(data: Any, words: str) -> None:
    with pytest.raises(RecipeError) as error:
        space_from_data(data, source="mine.yaml")
    assert words in str(error.value)
    assert "mine.yaml" in str(error.value)


@given(
    low=st.floats(1e-8, 1e3), width=st.floats(1.1, 1e6), at=st.floats(0, 1), log=st.booleans(),
    factor=st.floats(1.01, 100),
)  # fmt: skip
def test_a_neighborhood_holds_its_value_and_stays_inside(
    low: float, width: float, at: float, log: bool, factor: float
) -> None:
    axis = Axis(low, low * width, "log" if log else "linear")
    value = min(low * width**at if log else low + at * (low * width - low), axis.high)
    near = axis.around(value, factor=factor)
    assert axis.low <= near.low <= value <= near.high <= axis.high


def test_whole_numbers_and_steps_stay_what_they_are() -> None:
    axis = Axis(16, 128, step=16)
    near = axis.around(64)
    assert near.whole
    assert (near.low - 16) % 16 == 0
    assert near.low <= 64 <= near.high
    assert Axis(1, 9).around(5) == Axis(4, 6)
    assert Axis(choices=("a", "b")).around("b").choices == ("b",)
