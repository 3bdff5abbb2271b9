"""Averaged stochastic gradients: the steps by the formulas, the minimum by SciPy, and scikit-learn's accuracy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import torch
from sklearn.datasets import load_digits
from sklearn.svm import LinearSVC

from chainrule import formulas as f
from chainrule.core.errors import UsageError
from chainrule.optim.solvers import LinearSolution, averaged_sgd, newton_cg


def random_data(count: int = 60, features: int = 3, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, count)
    return rng.standard_normal((count, features)) + rng.standard_normal((classes, features))[y], y


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("penalize_bias", [False, True])
@pytest.mark.parametrize("loss", ["hinge", "softmax"])
def test_the_steps_are_the_formulas(loss: str, penalize_bias: bool, even: bool) -> None:
    x, y = random_data()
    lam, lr, batch, epochs, tail = 0.05, 2.0, 8, 3, 0.4
    settings = {"l2": lam, "lr": lr, "batch": batch, "epochs": epochs, "tail": tail, "loss": loss, "even": even}
    found = averaged_sgd(
        torch.from_numpy(x),
        torch.from_numpy(y),
        penalize_bias=penalize_bias,
        generator=torch.Generator().manual_seed(5),
        **settings,
    )
    whole = np.c_[x, np.ones(60)]
    A = whole.T @ whole / 60
    values, vectors = np.linalg.eigh(A)
    P = vectors * (values / values.max() + 1e-3) ** -0.5 @ vectors.T if even else np.eye(4)
    rate = lr / np.trace(A @ P)

    forward, backward = {
        "hinge": (f.svm_loss, f.svm_loss_backward),
        "softmax": (f.softmax_loss, f.softmax_loss_backward),
    }[loss]
    generator = torch.Generator().manual_seed(5)
    theta, kept = np.zeros((4, 3)), []  # (D + 1, K)
    pull = 2 * lam * np.array([1.0, 1.0, 1.0, penalize_bias])[:, None]
    for _ in range(epochs):
        order = torch.randperm(60, generator=generator).numpy()
        for start in range(0, 60, batch):
            rows = order[start : start + batch]
            scores, affine = f.affine_forward(x[rows], theta[:3], theta[3])
            losses, cache = forward(scores, y[rows])
            _, dW, db = f.affine_backward(backward(f.mean_loss_backward(1.0, len(rows)), cache), affine)
            theta = theta - rate * P @ (np.r_[dW, db[None]] + pull * theta)
            kept.append(theta)
    assert len(kept) == 24
    mean = np.mean(kept[int(0.6 * 24) :], axis=0)
    np.testing.assert_allclose(found.weights.numpy(), mean[:3].T, atol=1e-10)
    np.testing.assert_allclose(found.bias.numpy(), mean[3], atol=1e-10)
    losses, _ = forward(x @ mean[:3] + mean[3], y)
    penalized = mean if penalize_bias else mean[:3]
    assert found.objective == pytest.approx(losses.mean() + lam * (penalized**2).sum(), rel=1e-10)
    assert len(found.record) == epochs + 1
    assert [each.inner for each in found.record] == [0, 8, 8, 8]
    assert found.record[-1].step == pytest.approx(rate)


def test_it_comes_near_the_minimum_of_the_hinge_loss() -> None:
    """The minimum by SciPy: a quadratic program with one slack variable for each margin."""
    x, y = random_data(count=20, features=2, seed=3)
    lam, pairs = 0.05, [(i, j) for i in range(20) for j in range(3) if j != y[i]]
    rows = np.zeros((len(pairs), 9 + len(pairs)))
    for row, (i, j) in enumerate(pairs):  # s_y - s_j + slack >= 1
        rows[row, 3 * y[i] : 3 * y[i] + 3] += [*x[i], 1]
        rows[row, 3 * j : 3 * j + 3] -= [*x[i], 1]
        rows[row, 9 + row] = 1
    weight = np.tile([1.0, 1.0, 0.0], 3)

    def value(z: np.ndarray) -> tuple[float, np.ndarray]:
        slope = np.r_[2 * lam * weight * z[:9], np.full(len(pairs), 1 / 20)]
        return lam * (weight * z[:9] ** 2).sum() + z[9:].sum() / 20, slope

    bounds = [(None, None)] * 9 + [(0, None)] * len(pairs)
    constraint = {"type": "ineq", "fun": lambda z: rows @ z - 1, "jac": lambda z: rows}
    best = scipy.optimize.minimize(
        value, np.r_[np.zeros(9), np.ones(len(pairs))], jac=True, bounds=bounds, constraints=constraint, method="SLSQP"
    )
    assert best.success
    found = averaged_sgd(torch.from_numpy(x), torch.from_numpy(y), l2=lam, lr=0.1, batch=4, epochs=400)
    assert best.fun - 1e-9 <= found.objective <= 1.01 * best.fun


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, ...]:
    data = load_digits()
    x, y = torch.tensor(data.data / 16, dtype=torch.float32), torch.tensor(data.target)
    return x[:1200], y[:1200], x[1200:], y[1200:]


def test_as_right_as_linear_svc(digits: tuple[torch.Tensor, ...]) -> None:
    x, y, x_test, y_test = digits
    theirs = LinearSVC(random_state=0).fit(x.numpy(), y.numpy()).score(x_test.numpy(), y_test.numpy())
    for seed in range(3):
        found = averaged_sgd(x, y, l2=1e-3, generator=torch.Generator().manual_seed(seed))
        ours = (found.scores(x_test).argmax(1) == y_test).float().mean().item()
        assert ours >= theirs - 0.01


def test_softmax_comes_near_newtons_minimum(digits: tuple[torch.Tensor, ...]) -> None:
    x, y = digits[:2]
    best = newton_cg(x, y, l2=1e-3).objective
    found = averaged_sgd(x, y, l2=1e-3, loss="softmax", epochs=300)
    assert best - 1e-6 <= found.objective <= 1.02 * best
    rough = averaged_sgd(x, y, l2=1e-3, loss="softmax", epochs=300, even=False)
    assert found.objective < rough.objective  # evened features need fewer steps


def test_lr_has_no_unit(digits: tuple[torch.Tensor, ...]) -> None:
    """x in another unit makes the same steps: W x stays, so W shrinks with the inverse and the rate with its square.

    The bias, whose unit is 1, is too weak beside x in the smaller unit to matter; so compare two units with large x.
    """
    x, y = digits[0].double(), digits[1]
    one, other = (averaged_sgd(unit * x, y, l2=0, epochs=3, batch=32) for unit in (1e3, 1e5))
    torch.testing.assert_close(100 * other.weights, one.weights, rtol=0, atol=0.01 * one.weights.abs().max().item())


def test_it_repeats_itself_and_seeds_differ(digits: tuple[torch.Tensor, ...]) -> None:
    x, y = digits[:2]

    def draw(seed: int) -> LinearSolution:
        return averaged_sgd(x, y, epochs=1, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(draw(0).weights, draw(0).weights)
    assert torch.equal(draw(0).weights, averaged_sgd(x, y, epochs=1).weights)
    assert not torch.equal(draw(0).weights, draw(1).weights)


def test_small_data_are_gone_through_more_often(digits: tuple[torch.Tensor, ...]) -> None:
    x, y = digits[:2]
    assert len(averaged_sgd(x, y, batch=300).record) - 1 == 250  # 4 minibatches an epoch
    assert len(averaged_sgd(x[:999], y[:999], batch=1).record) - 1 == 5


def test_a_tail_of_less_than_a_step_is_the_last_step() -> None:
    x, y = (torch.from_numpy(each) for each in random_data())
    shortest = averaged_sgd(x, y, epochs=2, batch=16, tail=1e-300)
    assert torch.equal(shortest.weights, averaged_sgd(x, y, epochs=2, batch=16, tail=1 / 8).weights)
    assert not torch.equal(shortest.weights, averaged_sgd(x, y, epochs=2, batch=16).weights)


def test_many_features_are_not_evened(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = (torch.from_numpy(each) for each in random_data())
    plain = averaged_sgd(x, y, epochs=2, even=False)
    monkeypatch.setattr("chainrule.optim.solvers._averaged.MOST_FEATURES", 3)
    assert torch.equal(averaged_sgd(x, y, epochs=2).weights, plain.weights)


def test_strong_features_are_corrected_as_all_would_be() -> None:
    """Directions far below the damping share one factor: within 1 % of their own."""
    x, y = random_data(count=400, features=30)
    x = x * np.geomspace(1, 1e-4, 30)
    found = averaged_sgd(torch.from_numpy(x), torch.from_numpy(y), l2=0, lr=1.0, batch=400, epochs=1, tail=1.0)
    whole = np.c_[x, np.ones(400)]
    values, vectors = np.linalg.eigh(whole.T @ whole / 400)
    P = vectors * (values / values.max() + 1e-3) ** -0.5 @ vectors.T
    _, cache = f.svm_loss(np.zeros((400, 3)), y)
    gradient = whole.T @ f.svm_loss_backward(np.full(400, 1 / 400), cache)
    expected = -P @ gradient / np.trace(P @ whole.T @ whole / 400)
    error = np.c_[found.weights.numpy(), found.bias.numpy()].T - expected
    assert np.abs(error).max() < 0.011 * np.abs(expected).max()


def test_the_examples_stay_as_they_are() -> None:
    x, y = (torch.from_numpy(each) for each in random_data())
    before = x.clone()
    found = averaged_sgd(x.requires_grad_(), y, epochs=1)
    assert torch.equal(x, before)
    assert not found.weights.requires_grad


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"loss": "squared_hinge"}, 'averaged_sgd: there is no loss "squared_hinge"'),
        ({"batch": 0}, "wrong batch: expected a whole number, at least 1, got 0"),
        ({"batch": 2.5}, "wrong batch"),
        ({"epochs": 0}, "wrong epochs"),
        ({"lr": 0.0}, "wrong lr or tail"),
        ({"lr": float("inf")}, "wrong lr or tail"),
        ({"tail": 0.0}, "wrong lr or tail"),
        ({"tail": 1.5}, "wrong lr or tail"),
    ],
)
def test_wrong_settings_are_told(settings: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        averaged_sgd(torch.zeros(2, 1), torch.tensor([0, 1]), **settings)


def test_a_strong_penalty_does_not_make_it_overshoot() -> None:
    x, y = (torch.from_numpy(each) for each in random_data())
    for l2 in (1.0, 1e3, 1e9):
        found = averaged_sgd(x, y, l2=l2)
        assert found.objective <= 2.0 + 1e-9  # two wrong classes: what weights of zero cost
        assert found.weights.abs().max() <= 2 / l2
