"""Optimizers: torch's own over many steps, steps by hand, and the notes' conventions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from chainrule import formulas as f

Z = np.zeros


def follow(name: str, x: np.ndarray, gradient, steps: int, **options) -> np.ndarray:
    """Run one formula from x and return every point."""
    v, w, points = np.zeros_like(x), np.zeros_like(x), []
    for t in range(1, steps + 1):
        g = gradient(x)
        if name == "sgd":
            x = f.sgd(x, g, **options)
        elif name in ("adam", "adam_l2", "adamw"):
            x, v, w = getattr(f, name)(x, g, v, w, t, **options)
        else:
            x, v = getattr(f, name)(x, g, v, **options)
        points.append(x)
    return np.array(points)


TORCH = {
    "sgd": ({"lr": 0.02}, lambda p: torch.optim.SGD(p, lr=0.02)),
    "momentum": ({"lr": 0.02, "rho": 0.8}, lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.8)),
    "momentum_step_form": ({"lr": 0.02, "mu": 0.8}, lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.8)),
    "nesterov": ({"lr": 0.02, "rho": 0.8}, lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.8, nesterov=True)),
    "adagrad": ({"lr": 0.1, "eps": 1e-3}, lambda p: torch.optim.Adagrad(p, lr=0.1, eps=1e-3)),
    "rmsprop": (
        {"lr": 0.01, "decay_rate": 0.9, "eps": 1e-3},
        lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-3),
    ),
    "adam": (
        {"lr": 0.05, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3},
        lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-3),
    ),
    "adam_l2": (
        {"lr": 0.05, "lam": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3},
        lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
    ),
    "adamw": (
        {"lr": 0.05, "lam": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3},
        lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
    ),
}
DEFAULTS = {
    "adam": lambda p: torch.optim.Adam(p),
    "adamw": lambda p: torch.optim.AdamW(p),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01, eps=1e-8),
}


def noisy(A: np.ndarray, seed: int):
    """Gradients of a minibatch: those of a bowl, and noise that is the same each time this is called anew."""
    rng = np.random.default_rng(seed)
    return lambda x: A @ x + rng.standard_normal(len(x))


def follow_torch(make, gradient, x0: np.ndarray, steps: int) -> np.ndarray:
    x = torch.tensor(x0, requires_grad=True)
    optimizer, points = make([x]), []
    for _ in range(steps):
        x.grad = torch.tensor(gradient(x.detach().numpy()))
        optimizer.step()
        points.append(x.detach().numpy().copy())
    return np.array(points)


@pytest.mark.parametrize("name", TORCH)
def test_torch_takes_the_same_steps(name: str, rng) -> None:
    options, make = TORCH[name]
    for seed in range(4):
        Q = rng.standard_normal((4, 4))
        A, x0 = Q @ Q.T + np.eye(4), rng.standard_normal(4)
        ours = follow(name, x0, noisy(A, seed), 100, **options)
        np.testing.assert_allclose(ours, follow_torch(make, noisy(A, seed), x0, 100), rtol=1e-9, atol=1e-12)
        assert np.abs(ours[0] - x0).max() > 1e-4


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_those_of_the_lectures(name: str, rng) -> None:
    A, x0 = np.diag([1.0, 5.0, 0.2]), rng.standard_normal(3)
    options = {} if name in ("adam", "adamw") else {"lr": 0.01}
    ours = follow(name, x0, lambda x: A @ x, 20, **options)
    np.testing.assert_allclose(ours, follow_torch(DEFAULTS[name], lambda x: A @ x, x0, 20), rtol=1e-12)


def test_one_step_by_hand() -> None:
    x, g, s = np.array([1.0]), np.array([2.0]), np.array([3.0])
    assert f.sgd(x, g, 0.1) == pytest.approx(0.8)
    assert [float(a[0]) for a in f.momentum(x, g, s, 0.1, rho=0.5)] == pytest.approx([1 - 0.35, 3.5])
    assert [float(a[0]) for a in f.momentum_step_form(x, g, s, 0.1, mu=0.5)] == pytest.approx([2.3, 1.3])
    assert [float(a[0]) for a in f.nesterov(x, g, s, 0.1, rho=0.5)] == pytest.approx([1 - 1.5 + 1.5 * 1.3, 1.3])
    assert [float(a[0]) for a in f.adagrad(x, g, s, 0.1)] == pytest.approx([1 - 0.2 / math.sqrt(7), 7])
    rms = f.rmsprop(x, g, s, 0.1, decay_rate=0.5)
    assert [float(a[0]) for a in rms] == pytest.approx([1 - 0.2 / math.sqrt(3.5), 3.5])


def test_first_step_of_adam_is_the_rate() -> None:
    for size in (1e-3, 1.0, 1e6):
        x, _, _ = f.adam(Z(2), np.array([size, -size]), Z(2), Z(2), t=1, lr=0.01)
        np.testing.assert_allclose(x, [-0.01, 0.01], rtol=1e-4)


def test_constant_gradients_in_closed_form() -> None:
    g = np.array([3.0, -0.5])
    ada = follow("adagrad", Z(2), lambda x: g, 50, lr=0.1, eps=0.0)[-1]
    sums = sum(1 / math.sqrt(k) for k in range(1, 51))
    np.testing.assert_allclose(ada, -0.1 * np.sign(g) * sums, rtol=1e-12)
    rms = follow("rmsprop", Z(2), lambda x: g, 50, lr=0.1, decay_rate=0.9, eps=0.0)[-1]
    sums = sum(1 / math.sqrt(1 - 0.9**k) for k in range(1, 51))
    np.testing.assert_allclose(rms, -0.1 * np.sign(g) * sums, rtol=1e-12)
    adam = follow("adam", Z(2), lambda x: g, 50, lr=0.1, eps=0.0)[-1]
    np.testing.assert_allclose(adam, -5.0 * np.sign(g), rtol=1e-12)
    heavy = follow("momentum", Z(2), lambda x: g, 400, lr=0.1, rho=0.9)
    np.testing.assert_allclose(heavy[-1] - heavy[-2], -0.1 * g / (1 - 0.9), rtol=1e-12)  # terminal velocity


def test_epsilon_outside_the_root_inside_it_and_absent() -> None:
    g, eps = np.array([0.01]), 1e-2
    rest = {"lr": 1.0}
    for name, s in (("adagrad", 1e-4), ("rmsprop", 1e-6)):
        step = getattr(f, name)
        assert -step(Z(1), g, Z(1), eps=eps, **rest)[0][0] == pytest.approx(0.01 / (math.sqrt(s) + eps))
        assert -step(Z(1), g, Z(1), eps=eps, eps_inside=True, **rest)[0][0] == pytest.approx(0.01 / math.sqrt(s + eps))
        assert -step(Z(1), g, Z(1), eps=0.0, **rest)[0][0] == pytest.approx(0.01 / math.sqrt(s))
    inside, _, _ = f.adam(Z(1), g, Z(1), Z(1), t=1, lr=1.0, eps=eps, eps_inside=True)
    assert -inside[0] == pytest.approx(0.01 / math.sqrt(1e-4 + eps))


def test_momentum_forms_are_equal_at_a_constant_rate(rng) -> None:
    A, x0 = np.diag([1.0, 4.0, 0.3]), rng.standard_normal(3)
    one = follow("momentum", x0, lambda x: A @ x, 60, lr=0.05)
    other = follow("momentum_step_form", x0, lambda x: A @ x, 60, lr=0.05)
    np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


def test_momentum_forms_differ_when_the_rate_changes() -> None:
    x, v, y, m = Z(1), Z(1), Z(1), Z(1)
    g = np.array([1.0])
    for lr in (0.1, 0.01):
        x, v = f.momentum(x, g, v, lr, rho=0.9)
        y, m = f.momentum_step_form(y, g, m, lr, mu=0.9)
    assert x[0] == pytest.approx(-(0.1 + 0.01 * 1.9))  # the new rate for the whole velocity
    assert y[0] == pytest.approx(-(0.1 + 0.09 + 0.01))  # old steps keep their rate


def test_nesterov_takes_the_gradient_where_momentum_would_arrive(rng) -> None:
    A, x, v = np.diag([1.0, 4.0]), rng.standard_normal(2), Z(2)
    ahead = follow("nesterov", x, lambda z: A @ z, 30, lr=0.05, rho=0.9)
    for k in range(30):  # v' = rho v - lr grad(x + rho v); x' = x + v'
        v = 0.9 * v - 0.05 * A @ (x + 0.9 * v)
        x = x + v
        np.testing.assert_allclose(ahead[k], x + 0.9 * v, rtol=1e-10, atol=1e-14)


def test_adamw_is_the_algorithm_of_the_note_with_lambda_over_alpha(rng) -> None:
    alpha, lam, x0 = 0.01, 0.003, rng.standard_normal(3)
    A = np.diag([1.0, 3.0, 0.1])
    theta, m, v, x, m2, v2 = x0, Z(3), Z(3), x0, Z(3), Z(3)
    for t in range(1, 40):
        eta = 1 / t
        g = A @ theta
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        mhat, vhat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        theta = theta - eta * (alpha * mhat / (np.sqrt(vhat) + 1e-8) + lam * theta)
        x, m2, v2 = f.adamw(x, A @ x, m2, v2, t, lr=eta * alpha, lam=lam / alpha)
        np.testing.assert_allclose(x, theta, rtol=1e-10)


def test_decay_is_rescaled_by_adam_and_not_by_adamw() -> None:
    x, g = np.array([1.0, 1.0]), np.array([100.0, 0.01])
    plain, _, _ = f.adam(x, g, Z(2), Z(2), t=1, lr=0.1)
    decoupled, _, _ = f.adamw(x, g, Z(2), Z(2), t=1, lr=0.1, lam=0.5)
    np.testing.assert_allclose(plain - decoupled, 0.05, rtol=1e-12)  # the same share of every weight
    coupled, _, _ = f.adam_l2(x, g, Z(2), Z(2), t=1, lr=0.1, lam=0.5)
    np.testing.assert_allclose(coupled, plain, rtol=1e-4)  # at the first step the decay is divided away


def test_no_decay_is_plain_adam(rng) -> None:
    state = [rng.random(4) for _ in range(4)]
    plain = f.adam(*state, t=3)
    for other in (f.adamw(*state, t=3, lam=0.0), f.adam_l2(*state, t=3, lam=0.0)):
        for a, b in zip(plain, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["sgd", "momentum", "momentum_step_form", "nesterov", "adagrad", "rmsprop", "adam"])
def test_a_zero_gradient_moves_nothing(name: str, rng) -> None:
    x = rng.standard_normal(3)
    options = {} if name == "adam" else {"lr": 0.1}
    np.testing.assert_array_equal(follow(name, x, lambda z: Z(3), 3, **options)[-1], x)


@pytest.mark.parametrize("name", list(TORCH))
def test_extremes_and_inputs(name: str) -> None:
    options = TORCH[name][0]
    x = np.array([0.0, 1e4, -1e4, 1e-300])
    keep = x.copy()
    g = np.array([1e-12, 1e4, -1e4, 0.0])
    points = follow(name, x, lambda z: g, 5, **options)
    assert np.isfinite(points).all()
    np.testing.assert_array_equal(x, keep)
    still = follow(name, x, lambda z: g, 3, **{**options, "lr": 0.0})
    np.testing.assert_array_equal(still, np.tile(x, (3, 1)))  # a rate of 0 moves nothing, decay included
