"""Newton's method: scikit-learn's and SciPy's minima, samples, precision, and what it says."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from chainrule.core.errors import NonFiniteError, UsageError
from chainrule.optim.solvers import Iteration, LinearSolution, newton_cg


def random_data(count: int = 80, features: int = 4, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, count)
    return rng.standard_normal((count, features)) + rng.standard_normal((classes, features))[y], y


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    data = load_digits()
    return torch.tensor(data.data / 16), torch.tensor(data.target)


def objective(theta: np.ndarray, x: np.ndarray, y: np.ndarray, loss: str, l2: float, penalize_bias: bool) -> float:
    W, b = theta.reshape(-1, x.shape[1] + 1)[:, :-1], theta.reshape(-1, x.shape[1] + 1)[:, -1]
    scores = x @ W.T + b
    right = scores[np.arange(len(y)), y]
    if loss == "softmax":
        losses = np.logaddexp.reduce(scores, axis=1) - right
    else:
        losses = (np.maximum(0, scores - right[:, None] + 1) ** 2).sum(axis=1) - 1
    return losses.mean() + l2 * (W**2).sum() + l2 * penalize_bias * (b**2).sum()


@pytest.mark.parametrize("penalize_bias", [False, True])
@pytest.mark.parametrize("loss", ["softmax", "squared_hinge"])
def test_the_minimum_is_scipys(loss: str, penalize_bias: bool) -> None:
    x, y = random_data()
    arguments = (x, y, loss, 0.05, penalize_bias)
    best = scipy.optimize.minimize(objective, np.zeros(15), arguments, method="BFGS", options={"gtol": 1e-7})
    settings = {"loss": loss, "l2": 0.05, "penalize_bias": penalize_bias, "tolerance": 1e-9}
    found = newton_cg(torch.from_numpy(x), torch.from_numpy(y), **settings)
    assert found.converged
    theta = np.c_[found.weights.numpy(), found.bias.numpy()]
    np.testing.assert_allclose(theta, best.x.reshape(3, 5), atol=1e-5)
    assert found.objective == pytest.approx(objective(theta.ravel(), *arguments), rel=1e-12)
    assert found.objective <= best.fun + 1e-12


@pytest.mark.parametrize("l2", [1e-1, 1e-3])
def test_the_minimum_is_scikit_learns(digits: tuple[torch.Tensor, torch.Tensor], l2: float) -> None:
    x, y = digits
    theirs = LogisticRegression(C=1 / (2 * l2 * len(x)), tol=1e-8, solver="newton-cholesky")
    theirs.fit(x.numpy(), y.numpy())
    found = newton_cg(x, y, l2=l2, tolerance=1e-8)
    assert found.reason == "tolerance"
    np.testing.assert_allclose(found.weights.numpy(), theirs.coef_, atol=1e-4)
    theta = np.c_[theirs.coef_, theirs.intercept_].ravel()
    assert found.objective <= objective(theta, x.numpy(), y.numpy(), "softmax", l2, False) + 1e-12
    agree = found.scores(x).argmax(1).numpy() == theirs.predict(x.numpy())
    assert agree.all()


def test_a_sampled_hessian_ends_at_the_same_minimum_and_repeats_itself(
    digits: tuple[torch.Tensor, torch.Tensor],
) -> None:
    x, y = digits
    whole = newton_cg(x, y, l2=1e-3, tolerance=1e-7)
    for seed in (0, 1):
        found, again = (
            newton_cg(x, y, l2=1e-3, tolerance=1e-7, hessian_rows=150, generator=torch.Generator().manual_seed(seed))
            for _ in range(2)
        )
        assert found.converged
        assert found.record[1].rows == 150
        assert torch.equal(found.weights, again.weights)
        assert found.record == again.record
        torch.testing.assert_close(found.weights, whole.weights, rtol=0, atol=1e-4)
        assert found.objective == pytest.approx(whole.objective, abs=1e-9)


def test_the_order_of_the_examples_does_not_hinder_it(
    digits: tuple[torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = digits
    monkeypatch.setattr("chainrule.optim.solvers._newton.MOST_ROWS", 300)  # fewer than the examples of two classes
    products = []
    for order in (torch.randperm(len(y), generator=torch.Generator().manual_seed(0)), y.argsort()):
        found = newton_cg(x[order], y[order], l2=1e-3, tolerance=1e-7)
        assert found.converged
        products.append(sum(each.inner for each in found.record))
    assert products[1] < 1.3 * products[0]


def test_the_record_falls_and_says_what_was_done(digits: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, y = digits
    found = newton_cg(x, y, hessian_rows=300)
    first, *rest = found.record
    assert first.objective == pytest.approx(np.log(10))
    assert first.inner == 0
    objectives = [each.objective for each in found.record]
    assert objectives == sorted(objectives, reverse=True)
    assert all(0 < each.inner <= 30 and 0 < each.step <= 1 for each in rest)
    rows = [each.rows for each in rest]
    assert rows == sorted(rows)
    assert rows[-1] <= len(x)
    assert found.record[-1].gradient <= 1e-4
    short = newton_cg(x, y, hessian_rows=300, iterations=2)
    assert short.reason == "iterations"
    assert short.record == found.record[:3]


def test_float32_ends_where_float64_does(digits: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, y = digits
    wide, narrow = (newton_cg(each, y, l2=1e-3, tolerance=1e-6) for each in (x, x.float()))
    assert narrow.weights.dtype == torch.float32
    assert wide.weights.dtype == torch.float64
    assert narrow.objective == pytest.approx(wide.objective, abs=1e-8)
    torch.testing.assert_close(narrow.weights.double(), wide.weights, rtol=0, atol=1e-3)
    assert newton_cg(x.half(), y, l2=1e-3).weights.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_stops_where_rounding_hides_every_further_step(dtype: torch.dtype) -> None:
    x, y = random_data()
    found = newton_cg(torch.tensor(x, dtype=dtype), torch.tensor(y), l2=0.05, tolerance=0, iterations=300)
    assert found.reason == "precision"
    assert found.record[-1].gradient < (1e-6 if dtype == torch.float32 else 1e-14)
    assert len(found.record) < 60


def test_scale_and_offset_of_features_do_not_hinder_it() -> None:
    x, y = random_data()
    wild = x * np.array([1.0, 1e3, 1e-3, 1.0]) + np.array([0.0, 1e4, 0.0, 5.0])
    found = newton_cg(torch.from_numpy(wild), torch.from_numpy(y), l2=0, tolerance=1e-9, cg_tolerance=1e-3)
    plain = newton_cg(torch.from_numpy(x), torch.from_numpy(y), l2=0, tolerance=1e-9)
    assert plain.converged
    assert found.objective == pytest.approx(plain.objective, abs=1e-5)


def test_separable_data_without_a_penalty_go_on_until_the_gradient_is_small() -> None:
    x = torch.tensor([[-1.0], [1.0]])
    found = newton_cg(x, torch.tensor([0, 1]), l2=0, tolerance=1e-3)
    assert found.converged
    assert found.objective < 0.01
    hinge = newton_cg(x, torch.tensor([0, 1]), l2=0, loss="squared_hinge")
    assert hinge.objective == pytest.approx(0, abs=1e-6)


def test_many_features_do_without_the_preconditioner(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = (torch.from_numpy(each) for each in random_data())
    with_it = newton_cg(x, y, l2=0.05, tolerance=1e-8)
    monkeypatch.setattr("chainrule.optim.solvers._newton.MOST_FEATURES", 1)
    without = newton_cg(x, y, l2=0.05, tolerance=1e-8)
    assert without.converged
    torch.testing.assert_close(without.weights, with_it.weights, rtol=0, atol=1e-6)
    assert with_it.record[1].inner < without.record[1].inner  # at zero weights it is all but exact


def test_it_begins_where_it_is_told() -> None:
    x, y = (torch.from_numpy(each) for each in random_data())
    half = newton_cg(x, y, l2=0.05, iterations=2, tolerance=1e-8)
    rest = newton_cg(x, y, l2=0.05, start=half, tolerance=1e-8)
    assert rest.record[0].objective == pytest.approx(half.objective, rel=1e-12)
    assert rest.converged
    still = newton_cg(x, y, l2=0.05, start=rest, iterations=0, tolerance=1e-8)
    assert still.reason == "tolerance"
    assert torch.equal(still.weights, rest.weights)
    assert len(still.record) == 1


def test_two_classes_are_a_logistic_regression() -> None:
    x, y = random_data(classes=2)
    found = newton_cg(torch.from_numpy(x), torch.from_numpy(y), l2=0.01, tolerance=1e-10)
    # softmax over two classes with weights -w/2 and w/2 is a sigmoid of w; half of sum W^2 is a quarter of w^2
    theirs = LogisticRegression(C=1 / (0.01 * len(x)), tol=1e-10, max_iter=1000).fit(x, y)
    np.testing.assert_allclose((found.weights[1] - found.weights[0]).numpy(), theirs.coef_[0], rtol=1e-4)
    torch.testing.assert_close(found.weights.sum(0), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-9)


def test_classes_without_examples_and_single_examples() -> None:
    found = newton_cg(torch.tensor([[1.0, 2.0]]), torch.tensor([1]), classes=4, l2=0.1)
    assert found.converged
    assert found.weights.shape == (4, 2)
    assert found.scores(torch.tensor([[1.0, 2.0]])).argmax(1).tolist() == [1]


def test_the_examples_stay_as_they_are() -> None:
    x, y = (torch.from_numpy(each) for each in random_data())
    x.requires_grad_()
    before = x.detach().clone()
    found = newton_cg(x, y, hessian_rows=20)
    assert torch.equal(x, before)
    assert not found.weights.requires_grad


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"loss": "hinge"}, 'there is no loss "hinge"'),
        ({"iterations": -1}, "wrong iterations: expected a whole number, at least 0, got -1"),
        ({"iterations": 2.0}, "wrong iterations"),
        ({"cg_iterations": 0}, "wrong cg_iterations"),
        ({"hessian_rows": 0}, "wrong hessian_rows"),
        ({"hessian_rows": True}, "wrong hessian_rows"),
        ({"tolerance": -1e-3}, "wrong tolerance"),
        ({"tolerance": float("nan")}, "wrong tolerance"),
        ({"cg_tolerance": float("inf")}, "wrong cg_tolerance"),
    ],
)
def test_wrong_settings_are_told(settings: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        newton_cg(torch.zeros(2, 1), torch.tensor([0, 1]), **settings)


def test_a_start_that_does_not_fit_is_told() -> None:
    for weights, bias in ((torch.zeros(2, 3), torch.zeros(2)), (torch.zeros(3, 1), torch.zeros(3))):
        start = LinearSolution(weights, bias, (Iteration(0.0, 0.0),), "iterations")
        with pytest.raises(UsageError, match=r"the start does not fit: expected weights \(2, 1\)"):
            newton_cg(torch.zeros(2, 1), torch.tensor([0, 1]), start=start)


def test_an_overflow_at_the_start_is_told() -> None:
    start = LinearSolution(torch.tensor([[1e30], [-1e30]]), torch.zeros(2), (Iteration(0.0, 0.0),), "iterations")
    with pytest.raises(NonFiniteError, match="not finite at the start"):
        newton_cg(torch.full((2, 1), 1e12), torch.tensor([0, 1]), start=start)
