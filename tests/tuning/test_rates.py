"""The rate finder, the stage that it is in a search, and the space that it leaves."""

from __future__ import annotations

from typing import Any

import pytest

import chainrule
from chainrule.core.errors import RecipeError
from chainrule.core.space import Axis
from chainrule.tuning._checks import check_rates, narrowed
from chainrule.tuning._plan import plan_search

FEW = {"train.threads": 1, "data.limit": 200}


def plan() -> Any:
    return plan_search("digits-softmax", space=None, settings=FEW, count=4, stages=["range", "coarse"], share=0.5,
                       sampler="random", pruner="none", seed=0, name="mine")  # fmt: skip


def test_the_rate_finder_is_the_stage_of_the_search() -> None:
    found = chainrule.find_rate("digits-softmax", settings=FEW)
    stage = check_rates(plan(), observers=lambda title: ())
    assert found.suggestion == stage["suggestion"]
    assert list(found.losses) == stage["losses"]
    assert 0.001 < found.suggestion < 1
    assert found.losses[0] > 2 > min(found.losses)


def test_the_coarse_rates_are_those_at_which_the_loss_falls() -> None:
    known = plan()
    axis = known.space["optim.lr"]
    rates = {"begins": axis.low * 10, "diverges": axis.high / 2, "suggestion": 1.0}
    assert narrowed(known, rates)["optim.lr"] == Axis(axis.low * 10 / 3, axis.high / 2, "log")
    assert narrowed(known, {"begins": None, "diverges": None})["optim.lr"] == axis
    assert narrowed(known, {**rates, "begins": 100.0, "diverges": 200.0})["optim.lr"] == axis  # nothing in common
    assert narrowed(known, None)["optim.weight_decay"] == known.space["optim.weight_decay"]


def test_what_takes_no_steps_has_no_rate() -> None:
    with pytest.raises(RecipeError, match="takes no steps"):
        chainrule.find_rate("digits-knn")
