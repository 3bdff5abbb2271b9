"""Bias and variance: by hand, against the definition on models whose distribution is known, and unbiased."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.formulas import bias_variance_error


def test_by_hand() -> None:
    """f = (0, 1), (1, 1), (2, 1), y = (3, 1): mean (1, 1), variance 1; the mean is off by 4, of it 1/3 by chance."""
    predictions = np.array([[[0.0, 1.0]], [[1.0, 1.0]], [[2.0, 1.0]]])
    bias, variance, error = bias_variance_error(predictions, np.array([[3.0, 1.0]]))
    assert bias == pytest.approx(4 - 1 / 3)
    assert variance == pytest.approx(1)
    assert error == pytest.approx((9 + 4 + 1) / 3)


def test_the_parts_sum_to_the_error() -> None:
    rng = np.random.default_rng(0)
    predictions, targets = rng.dirichlet(np.ones(5), (7, 30)), np.eye(5)[rng.integers(0, 5, 30)]
    bias, variance, error = bias_variance_error(predictions, targets)
    assert bias + variance == pytest.approx(error, rel=1e-12)


def test_equal_trainings_have_bias_alone() -> None:
    rng = np.random.default_rng(1)
    one, targets = rng.random((20, 3)), rng.random((20, 3))
    bias, variance, error = bias_variance_error(np.stack([one] * 4), targets)
    assert variance == pytest.approx(0, abs=1e-30)
    assert bias == pytest.approx(error) == pytest.approx(((one - targets) ** 2).sum(1).mean())


@pytest.mark.parametrize("sets", [3, 10])
def test_few_sets_give_the_true_parts_on_average(sets: int) -> None:
    """f_D = f + noise of variance 0.25 in each of 2 numbers: variance 0.5, bias^2 = |f - y|^2 = 5."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(600):
        predictions = np.array([3.0, -1.0]) + 0.5 * rng.standard_normal((sets, 8, 2))
        found.append(bias_variance_error(predictions, np.tile([1.0, -2.0], (8, 1))))
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(600)
    assert np.all(np.abs(mean - [5, 0.5, 5.5]) < 4 * error)
