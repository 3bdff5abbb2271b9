"""Short trainings before a long one: the loss at the start, a few examples by heart, and how rates are read."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from chainrule import formulas
from chainrule.tasks.images import Classification
from chainrule.tasks.job._job import job_type
from chainrule.tasks.tables import open_recipe
from chainrule.training.probe import learn_sample, losses_at_start, near_ignorance, range_test, read_rates


def task_of(name: str, **settings: Any) -> Any:
    laid = {"schedule.name": "constant", **{key.replace("__", "."): value for key, value in settings.items()}}
    recipe = open_recipe(name, laid)
    return job_type(recipe).begun(recipe).task()


@pytest.mark.parametrize(
    ("name", "loss"), [("digits-softmax", formulas.softmax_loss), ("digits-svm", formulas.svm_loss)]
)
def test_guessing_costs_what_the_formula_says_of_equal_scores(name: str, loss: Any) -> None:
    first, expected = losses_at_start(task_of(name), seed=0)
    wanted = np.mean(loss(np.zeros((5, 10)), np.arange(5))[0])
    assert expected == pytest.approx(wanted, abs=1e-5)
    assert near_ignorance(first, wanted)


def test_texts_guess_among_their_tokens() -> None:
    recipe = open_recipe("addition-transformer", {"train.batch": 8})
    job = job_type(recipe).begun(recipe)
    _, expected = losses_at_start(job.task(), seed=0)
    assert expected == pytest.approx(math.log(round(math.exp(expected or 0))), abs=1e-4)  # of a whole number of tokens
    assert 10 < math.exp(expected or 0) < 20  # ten digits, a sign or two, and what begins and ends a sentence


def test_the_callers_random_numbers_and_the_network_are_left_alone() -> None:
    task = task_of("digits-mlp")
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert losses_at_start(task, seed=0) == losses_at_start(task, seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_a_few_examples_are_known_by_heart_and_contradictions_are_not() -> None:
    recipe = open_recipe("digits-mlp", {"schedule.name": "constant", "augment.shift": 0})
    job = Classification(recipe)
    task = job.task()
    found = learn_sample(task, 0, lr=0.003, guessing=math.log(10))
    assert found.steps is not None
    assert found.steps == len(found.losses) < 300
    assert found.losses[-1] <= 0.05 * math.log(10) < found.losses[0]

    class Contradicting:
        """The same picture with another label each time."""

        def __init__(self, given: Any) -> None:
            self.given = given

        def __len__(self) -> int:
            return len(self.given)

        def fetch(self, index: torch.Tensor, key: torch.Tensor) -> Any:
            batch = self.given.fetch(index, key)
            return replace(batch, inputs=batch.inputs * 0, targets=torch.arange(len(index)) % 10)

    odd = replace(task, examples={"train": Contradicting(task.examples["train"])})
    lost = learn_sample(odd, 0, lr=0.003, guessing=math.log(10), steps=40)
    assert lost.steps is None
    assert len(lost.tried) == 3
    assert min(loss for _, loss in lost.tried) > 1.5  # no better than a guess, at any of the rates


def curve(*, falls: float, lost: float, steps: int = 150) -> tuple[list[float], list[float]]:
    """Losses that fall around one rate, and rise again around another, with some noise."""
    rates = [1e-6 * 10 ** (7 * step / (steps - 1)) for step in range(steps)]
    random = np.random.default_rng(0)
    losses = [
        0.5 + 2.0 / (1 + (rate / falls) ** 2) + min((rate / lost) ** 3, 50.0) + random.normal(0, 0.03) for rate in rates
    ]
    return rates, losses


@pytest.mark.parametrize(("falls", "lost"), [(1e-4, 1e-1), (1e-3, 1.0), (1e-2, 3.0)])
def test_rates_are_read_where_the_curve_has_them(falls: float, lost: float) -> None:
    found = read_rates(*curve(falls=falls, lost=lost))
    assert found.begins is not None
    assert found.steepest is not None
    assert found.diverges is not None
    assert found.begins < found.steepest < found.diverges
    assert falls / 2 < found.steepest < falls * 2  # a logistic curve is steepest in its middle
    assert found.suggestion == pytest.approx(math.sqrt(found.steepest * found.diverges / 10))
    assert lost / 3 < found.diverges < lost * 3


def test_a_flat_or_rising_curve_suggests_nothing() -> None:
    rates, _ = curve(falls=1e-3, lost=1.0)
    assert read_rates(rates, [2.0] * len(rates)).suggestion is None
    assert read_rates(rates, [2.0 + place for place in range(len(rates))]).suggestion is None
    assert read_rates(rates[:7], [2.0, 2.1, 2.0, math.inf, math.nan, 2.0, 9.0]).diverges is None


def test_a_rate_of_the_range_test_trains_and_far_ones_do_not() -> None:
    found = range_test(task_of("digits-softmax"), 0, lr=0.01)
    assert found.suggestion is not None
    assert found.fell > 0.5
    assert found.rates[0] == pytest.approx(1e-6)
    ends = []
    for rate in (1e-6, found.suggestion):
        few = range_test(task_of("digits-softmax"), 0, lr=0.01, low=rate, high=rate * 1.0001, steps=40)
        ends.append(few.losses[-1] / few.losses[0])
    assert ends[0] > 0.9
    assert ends[1] < 0.5
