"""Activations: finite differences away from kinks, torch, kinks, extremes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from chainrule import formulas as f

POINTWISE = {
    "sigmoid": (f.sigmoid_forward, f.sigmoid_backward, torch.sigmoid),
    "tanh": (f.tanh_forward, f.tanh_backward, torch.tanh),
    "relu": (f.relu_forward, f.relu_backward, torch.relu),
    "leaky_relu": (f.leaky_relu_forward, f.leaky_relu_backward, lambda x: functional.leaky_relu(x, 0.1)),
    "elu": (f.elu_forward, f.elu_backward, functional.elu),
    "gelu": (f.gelu_forward, f.gelu_backward, lambda x: functional.gelu(x, approximate="tanh")),
}
SHAPES = [(1,), (7,), (3, 4), (2, 3, 2, 1), (0,), (2, 0)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", POINTWISE)
def test_gradient(name: str, shape: tuple[int, ...], rng, check_backward) -> None:
    forward, backward, _ = POINTWISE[name]
    x = 2 * rng.standard_normal(shape)
    x += 0.01 * np.sign(x)  # away from the kink
    check_backward(forward, backward, x)
    check_backward(forward, backward, x.T[..., ::-1])  # not contiguous


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (lambda x: f.leaky_relu_forward(x, slope=0.3), f.leaky_relu_backward),
        (lambda x: f.elu_forward(x, alpha=0.4), f.elu_backward),
    ],
    ids=["leaky_relu", "elu"],
)
def test_gradient_with_other_options(forward, backward, rng, check_backward) -> None:
    check_backward(forward, backward, rng.standard_normal((3, 3)))


@pytest.mark.parametrize("name", POINTWISE)
def test_torch_agrees_in_value_and_gradient(name: str, rng) -> None:
    forward, backward, reference = POINTWISE[name]
    x = np.concatenate([3 * rng.standard_normal(50), [-20.0, -1e-9, 1e-9, 20.0]])
    dout = rng.standard_normal(54)
    t = torch.tensor(x, requires_grad=True)
    y = reference(t)
    y.backward(torch.tensor(dout))
    out, cache = forward(x)
    np.testing.assert_allclose(out, y.detach().numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(backward(dout, cache), t.grad.numpy(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("shape", [(1, 2), (3, 6), (2, 6, 2, 3), (1, 6, 1, 1)])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_gradient_of_maxout(shape: tuple[int, ...], k: int, rng, check_backward) -> None:
    if shape[1] % k:
        shape = (shape[0], k, *shape[2:])
    check_backward(lambda x: f.maxout_forward(x, k), f.maxout_backward, rng.standard_normal(shape))


def test_maxout_by_a_loop(rng) -> None:
    x = rng.standard_normal((4, 6, 2, 2))
    by_hand = np.stack([np.maximum.reduce([x[:, 3 * i + j] for j in range(3)]) for i in range(2)], axis=1)
    np.testing.assert_array_equal(f.maxout_forward(x, 3)[0], by_hand)


def test_the_first_of_equal_ones_wins_in_maxout() -> None:
    _, cache = f.maxout_forward(np.array([[2.0, 2.0, 1.0, 1.0]]))
    np.testing.assert_array_equal(f.maxout_backward(np.array([[5.0, 7.0]]), cache), [[5.0, 0.0, 7.0, 0.0]])


def test_at_the_kink() -> None:
    zero, one = np.zeros(1), np.ones(1)
    assert f.relu_backward(one, f.relu_forward(zero)[1]) == 0
    assert f.leaky_relu_backward(one, f.leaky_relu_forward(zero)[1]) == 0.1


def test_known_values() -> None:
    x = np.array([-1.0, 0.0, 1.0])
    np.testing.assert_allclose(f.sigmoid_forward(x)[0], [0.2689414213699951, 0.5, 0.7310585786300049], rtol=1e-14)
    np.testing.assert_allclose(f.leaky_relu_forward(x)[0], [-0.1, 0, 1])
    np.testing.assert_allclose(f.elu_forward(x)[0], [np.exp(-1) - 1, 0, 1])
    np.testing.assert_allclose(f.gelu_forward(x)[0], [-0.15880801, 0, 0.84119199], rtol=1e-7)
    _, cache = f.sigmoid_forward(np.zeros(1))
    assert f.sigmoid_backward(np.ones(1), cache) == 0.25  # never more


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("size", [1e4, 745.0, 30.0, 1e-300, 0.0])
def test_extremes_are_finite(name: str, size: float) -> None:
    forward, backward, _ = POINTWISE[name]
    out, cache = forward(np.array([size, -size]))
    assert np.isfinite(out).all()
    slope = backward(np.ones(2), cache)
    assert np.isfinite(slope).all()
    if size == 1e4:
        limits = {"sigmoid": (0, 0), "tanh": (0, 0), "leaky_relu": (1, 0.1)}
        np.testing.assert_allclose(slope, limits.get(name, (1, 0)), atol=1e-12)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.floats(-500, 500))
def test_properties(value: float) -> None:
    x = np.array([value])
    assert f.sigmoid_forward(-x)[0] == pytest.approx(1 - f.sigmoid_forward(x)[0], abs=1e-15)
    assert f.tanh_forward(x)[0] == pytest.approx(2 * f.sigmoid_forward(2 * x)[0] - 1, abs=1e-14)
    assert f.tanh_forward(-x)[0] == -f.tanh_forward(x)[0]
    assert f.gelu_forward(x)[0] >= -0.2
    assert f.elu_forward(x)[0] >= -1
    assert f.relu_forward(x)[0] - f.relu_forward(-x)[0] == x
    assert f.leaky_relu_forward(x)[0] == max(value, 0.1 * value)
