"""Penalties: finite differences, and what lambda means as a prior and as weight decay."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from chainrule import formulas as f

PENALTIES = {
    "l2": (f.l2_penalty, f.l2_penalty_backward),
    "l1": (f.l1_penalty, f.l1_penalty_backward),
    "elastic_net": (lambda W: f.elastic_net_penalty(W, 0.3), f.elastic_net_penalty_backward),
}


@pytest.mark.parametrize("shape", [(1,), (3, 4), (2, 3, 2, 2)])
@pytest.mark.parametrize("name", PENALTIES)
def test_gradient(name: str, shape: tuple[int, ...], rng, check_backward) -> None:
    check_backward(*PENALTIES[name], rng.standard_normal(shape))
    check_backward(*PENALTIES[name], rng.standard_normal((*shape, 2))[..., 0])  # not contiguous


@pytest.mark.parametrize(("name", "value"), [("l2", 5.25), ("l1", 3.5), ("elastic_net", 0.3 * 5.25 + 3.5)])
def test_by_hand(name: str, value: float) -> None:
    assert PENALTIES[name][0](np.array([[1.0, -2.0], [0.0, 0.5]]))[0] == pytest.approx(value)


def test_a_weight_of_zero_is_left_alone() -> None:
    for forward, backward in PENALTIES.values():
        R, cache = forward(np.zeros(3))
        assert R == 0
        np.testing.assert_array_equal(backward(1.0, cache), np.zeros(3))


def test_full_loss_and_its_gradient(rng, check_backward) -> None:
    losses, R, lam = rng.random(5), 2.0, 0.25
    L, cache = f.full_loss(losses, R, lam)
    assert pytest.approx(losses.sum() / 5 + 0.5) == L
    dlosses, dR = f.full_loss_backward(1.0, cache)
    np.testing.assert_allclose(dlosses, 0.2)
    assert dR == 0.25
    check_backward(lambda v: f.full_loss(v, R, lam), lambda d, c: f.full_loss_backward(d, c)[0], losses)


def test_full_loss_of_a_linear_classifier_by_finite_differences(rng, check_backward) -> None:
    x, y, b = rng.standard_normal((4, 5)), np.array([0, 2, 1, 0]), rng.standard_normal(3)

    def forward(W):
        scores, affine = f.affine_forward(x, W, b)
        losses, loss = f.softmax_loss(scores, y)
        R, penalty = f.l2_penalty(W)
        L, full = f.full_loss(losses, R, 0.1)
        return L, (affine, loss, penalty, full)

    def backward(dL, cache):
        affine, loss, penalty, full = cache
        dlosses, dR = f.full_loss_backward(dL, full)
        _, dW, _ = f.affine_backward(f.softmax_loss_backward(dlosses, loss), affine)
        return dW + f.l2_penalty_backward(dR, penalty)

    check_backward(forward, backward, rng.standard_normal((5, 3)))


@pytest.mark.parametrize("sigma", [0.1, 1.0, 7.0])
def test_the_prior_is_the_penalty(sigma: float, rng) -> None:
    W, V = rng.standard_normal(6), rng.standard_normal(6)
    prior = scipy.stats.norm(0, sigma)
    of_prior = -(prior.logpdf(W).sum() - prior.logpdf(V).sum())  # the constant cancels
    lam = f.prior_to_penalty(sigma)
    assert of_prior == pytest.approx(lam * (f.l2_penalty(W)[0] - f.l2_penalty(V)[0]))
    assert f.prior_to_penalty(sigma, N=50) == pytest.approx(lam / 50)
    assert f.penalty_to_prior(f.prior_to_penalty(sigma, N=50), N=50) == pytest.approx(sigma)


def test_the_most_probable_weights_are_those_of_the_penalized_mean(rng) -> None:
    x, sigma, noise = rng.standard_normal((30, 2)), 0.7, 1.0
    t = x @ np.array([1.0, -2.0]) + noise * rng.standard_normal(30)

    def mean_loss(W):  # the negative log-likelihood of Gaussian noise, averaged
        return ((x @ W - t) ** 2).mean() / (2 * noise**2) + f.prior_to_penalty(sigma, N=30) * f.l2_penalty(W)[0]

    found = scipy.optimize.minimize(mean_loss, np.zeros(2), tol=1e-12).x
    posterior = np.linalg.solve(x.T @ x / noise**2 + np.eye(2) / sigma**2, x.T @ t / noise**2)  # Bayesian regression
    np.testing.assert_allclose(found, posterior, rtol=1e-5)


def test_weight_decay_is_the_penalty_for_sgd(rng) -> None:
    W, dW, lam = rng.standard_normal(5), rng.standard_normal(5), 0.03
    penalized = f.sgd(W, dW + lam * f.l2_penalty_backward(1.0, f.l2_penalty(W)[1]), 0.1)
    d = f.penalty_to_decay(lam)
    np.testing.assert_allclose(penalized, f.sgd(W, dW + d * W, 0.1), rtol=1e-14)
    assert f.decay_to_penalty(d) == pytest.approx(lam)


def test_l1_finds_exact_zeros_where_l2_does_not() -> None:
    w, a, best = np.linspace(-1, 1, 20001), 0.3, {}
    for name, (forward, _) in PENALTIES.items():  # min (w - a)^2 + R(w), by a fine search
        best[name] = w[np.argmin([(v - a) ** 2 + forward(np.array([v]))[0] for v in w])]
    assert abs(best["l1"]) < 1e-4
    assert best["l2"] == pytest.approx(a / 2, abs=1e-4)
