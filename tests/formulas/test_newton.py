"""Newton's step: to the critical point of any quadratic, and as scipy solves it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

from chainrule.formulas import newton_step


@pytest.mark.parametrize("signs", [(1, 1, 1), (1, -1, 1), (-1, -1, -1)])
def test_one_step_to_the_point_without_slope_of_a_quadratic_whatever_its_curvatures(signs: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    axes, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    hessian = axes @ np.diag(np.array(signs) * [1.0, 30.0, 900.0]) @ axes.T
    critical, x = rng.standard_normal(3), rng.standard_normal(3)
    np.testing.assert_allclose(newton_step(x, hessian @ (x - critical), hessian), critical, atol=1e-10)


def test_the_rate_takes_a_part_of_the_step() -> None:
    hessian = np.diag([2.0, 5.0])
    x = np.array([1.0, -3.0])
    np.testing.assert_allclose(newton_step(x, hessian @ x, hessian, lr=0.25), 0.75 * x)


def test_steps_down_a_valley_are_scipys() -> None:
    rosen, slope, curve = scipy.optimize.rosen, scipy.optimize.rosen_der, scipy.optimize.rosen_hess
    x = np.array([-1.2, 1.0, 0.8])
    for _ in range(40):
        expected = x - np.linalg.inv(curve(x)) @ slope(x)
        x = newton_step(x, slope(x), curve(x))
        np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-9)
    assert rosen(x) < 1e-20


def test_several_points_at_once_each_with_its_own_hessian() -> None:
    x = np.array([[3.0, 2.0], [1.0, -4.0]])
    curves = np.stack([np.diag([2.0, 100.0]), np.diag([4.0, -1.0])])
    dx = np.einsum("nij,nj->ni", curves, x)
    np.testing.assert_allclose(newton_step(x, dx, curves), np.zeros((2, 2)), atol=1e-14)


def test_without_an_inverse_there_is_no_step() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        newton_step(np.ones(2), np.ones(2), np.ones((2, 2)))
