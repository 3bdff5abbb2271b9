"""Normalization: finite differences, torch, and how the four are related."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from chainrule import formulas as f
from chainrule.nn import build

VECTORS = [(2, 1), (5, 3), (4, 6)]
IMAGES = [(1, 2, 1, 3), (2, 4, 3, 3), (3, 6, 2, 1), (2, 6, 3, 5)]


def affine(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    return 1 + 0.5 * rng.standard_normal(shape), rng.standard_normal(shape)


@pytest.mark.parametrize("shape", [*VECTORS, *IMAGES])
def test_gradient_of_batch_norm(shape: tuple[int, ...], rng, check_backward) -> None:
    gamma, beta = affine(rng, (shape[1],))
    x = 2 + 3 * rng.standard_normal(shape)
    check_backward(f.batch_norm_train, f.batch_norm_train_backward, x, gamma, beta)
    mean, var = rng.standard_normal(shape[1]), 0.5 + rng.random(shape[1])
    check_backward(lambda x, g, b: f.batch_norm_test(x, g, b, mean, var), f.batch_norm_test_backward, x, gamma, beta)


def test_gradient_of_batch_norm_on_a_view(rng, check_backward) -> None:
    gamma, beta = affine(rng, (3,))
    x = rng.standard_normal((4, 2, 6, 2)).transpose(3, 2, 0, 1)[:, ::2]  # (2, 3, 4, 2), not contiguous
    check_backward(f.batch_norm_train, f.batch_norm_train_backward, x, gamma, beta)


@pytest.mark.parametrize("shape", [*VECTORS[1:], *IMAGES])
def test_gradient_of_layer_norm(shape: tuple[int, ...], rng, check_backward) -> None:
    check_backward(f.layer_norm_forward, f.layer_norm_backward, rng.standard_normal(shape), *affine(rng, shape[1:]))


def test_gradient_of_layer_norm_over_the_last_axis_of_a_sequence(rng, check_backward) -> None:
    check_backward(f.layer_norm_forward, f.layer_norm_backward, rng.standard_normal((2, 3, 5)), *affine(rng, (5,)))


@pytest.mark.parametrize("shape", IMAGES)
def test_gradient_of_instance_norm(shape: tuple[int, ...], rng, check_backward) -> None:
    check_backward(
        f.instance_norm_forward, f.instance_norm_backward, rng.standard_normal(shape), *affine(rng, (shape[1],))
    )


@pytest.mark.parametrize(
    ("shape", "groups"), [((2, 4, 3, 3), 2), ((1, 6, 2, 1), 3), ((2, 6, 3, 5), 1), ((3, 4, 2, 2), 4), ((3, 6), 2)]
)
def test_gradient_of_group_norm(shape: tuple[int, ...], groups: int, rng, check_backward) -> None:
    check_backward(
        lambda x, g, b: f.group_norm_forward(x, g, b, groups),
        f.group_norm_backward,
        rng.standard_normal(shape),
        *affine(rng, (shape[1],)),
    )


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 2), (0, 1, 2)])
def test_gradient_of_standardize(axes: tuple[int, ...], rng, check_backward) -> None:
    check_backward(lambda x: f.standardize(x, axes), f.standardize_backward, rng.standard_normal((3, 4, 2)))


TORCH = {
    "batch": (
        lambda x, g, b: f.batch_norm_train(x, g, b),
        f.batch_norm_train_backward,
        lambda x, g, b: functional.batch_norm(x, None, None, g, b, training=True),
    ),
    "instance": (
        lambda x, g, b: f.instance_norm_forward(x, g, b),
        f.instance_norm_backward,
        lambda x, g, b: functional.instance_norm(x, weight=g, bias=b),
    ),
    "group": (
        lambda x, g, b: f.group_norm_forward(x, g, b, 3),
        f.group_norm_backward,
        lambda x, g, b: functional.group_norm(x, 3, g, b),
    ),
    "layer": (
        lambda x, g, b: f.layer_norm_forward(x, g, b),
        f.layer_norm_backward,
        lambda x, g, b: functional.layer_norm(x, x.shape[1:], g, b),
    ),
}


@pytest.mark.parametrize("name", TORCH)
def test_torch_agrees_in_value_and_gradient(name: str, rng) -> None:
    forward, backward, reference = TORCH[name]
    for shape in [(2, 6, 4, 3), (5, 3, 1, 2), (2, 9, 2, 2)]:
        x, dout = 3 + 2 * rng.standard_normal(shape), rng.standard_normal(shape)
        gamma, beta = affine(rng, shape[1:] if name == "layer" else shape[1:2])
        tensors = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
        y = reference(*tensors)
        y.backward(torch.tensor(dout))
        out, cache = forward(x, gamma, beta)
        np.testing.assert_allclose(out, y.detach().numpy(), rtol=1e-11, atol=1e-12)
        for ours, tensor in zip(backward(dout, cache), tensors, strict=True):
            np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 4, 5)])
def test_running_averages_are_torchs_but_for_its_unbiased_variance(shape: tuple[int, ...], rng) -> None:
    layer = torch.nn.BatchNorm1d(3) if len(shape) == 2 else torch.nn.BatchNorm2d(3)
    layer = layer.double()
    mean, var, M = np.zeros(3), np.ones(3), int(np.prod(shape)) // 3
    for _ in range(5):
        x = 2 + 3 * rng.standard_normal(shape)
        layer(torch.tensor(x))
        now_mean, now_var = f.batch_statistics(x)
        mean, var = f.running_average(mean, now_mean), f.running_average(var, now_var * M / (M - 1))
    np.testing.assert_allclose(mean, layer.running_mean.numpy(), rtol=1e-12)
    np.testing.assert_allclose(var, layer.running_var.numpy(), rtol=1e-12)
    gamma, beta = affine(rng, (3,))
    layer.weight.data, layer.bias.data = torch.tensor(gamma), torch.tensor(beta)
    out, _ = f.batch_norm_test(x, gamma, beta, mean, var)
    np.testing.assert_allclose(out, layer.eval()(torch.tensor(x)).detach().numpy(), rtol=1e-11)


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4, 2)])
def test_test_time_with_the_batchs_statistics_is_training(shape: tuple[int, ...], rng) -> None:
    x, (gamma, beta) = rng.standard_normal(shape), affine(rng, (3,))
    out, _ = f.batch_norm_test(x, gamma, beta, *f.batch_statistics(x))
    np.testing.assert_allclose(out, f.batch_norm_train(x, gamma, beta)[0], rtol=1e-11)


def test_batch_statistics_by_hand() -> None:
    x = np.array([[1.0, 10.0], [3.0, 10.0], [5.0, 40.0]])
    mean, var = f.batch_statistics(x)
    np.testing.assert_allclose(mean, [3, 20])
    np.testing.assert_allclose(var, [8 / 3, 200])
    np.testing.assert_allclose(f.running_average(np.zeros(2), mean, momentum=0.25), [0.75, 5])


def test_one_group_is_layer_norm_and_c_groups_are_instance_norm(rng) -> None:
    x, (gamma, beta) = rng.standard_normal((3, 4, 5, 2)), affine(rng, (4,))
    everywhere = [np.broadcast_to(a[:, None, None], (4, 5, 2)) for a in (gamma, beta)]
    np.testing.assert_allclose(
        f.group_norm_forward(x, gamma, beta, 1)[0], f.layer_norm_forward(x, *everywhere)[0], rtol=1e-11
    )
    np.testing.assert_allclose(
        f.group_norm_forward(x, gamma, beta, 4)[0], f.instance_norm_forward(x, gamma, beta)[0], rtol=1e-11
    )


def test_examples_do_not_meet_except_in_batch_norm(rng) -> None:
    x, (gamma, beta) = rng.standard_normal((4, 6, 2, 2)), affine(rng, (6,))
    alone = [lambda v: f.group_norm_forward(v, gamma, beta, 2), lambda v: f.instance_norm_forward(v, gamma, beta)]
    for forward in alone:
        np.testing.assert_array_equal(forward(x)[0][1:2], forward(x[1:2])[0])
    assert np.abs(f.batch_norm_train(x, gamma, beta)[0][1:2] - f.batch_norm_train(x[1:2], gamma, beta)[0]).max() > 0.01


@settings(deadline=None, max_examples=40, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), a=st.floats(0.1, 100), b=st.floats(-100, 100))
def test_scale_and_shift_of_the_input_do_not_matter(seed: int, a: float, b: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, 4, 2, 5))
    for axes in ((0, 2, 3), (1, 2, 3), (2, 3)):
        xhat, _ = f.standardize(x, axes, eps=0.0)
        np.testing.assert_allclose(f.standardize(a * x + b, axes, eps=0.0)[0], xhat, atol=1e-9)
        np.testing.assert_allclose(xhat.mean(axis=axes), 0, atol=1e-12)
        np.testing.assert_allclose(xhat.var(axis=axes), 1, rtol=1e-10)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e4, -1e4])
def test_no_variance_gives_beta_and_a_finite_gradient(value: float, rng) -> None:
    x, gamma, beta = np.full((2, 4, 1, 1), value), np.full(4, 2.0), np.arange(4.0)
    dout = rng.standard_normal(x.shape)
    cases = [
        (lambda: f.batch_norm_train(x, gamma, beta), f.batch_norm_train_backward),
        (lambda: f.batch_norm_train(x[:1, :, 0, 0], gamma, beta), f.batch_norm_train_backward),  # batch 1
        (lambda: f.instance_norm_forward(x, gamma, beta), f.instance_norm_backward),
        (lambda: f.group_norm_forward(x, gamma, beta, 2), f.group_norm_backward),
        (lambda: f.layer_norm_forward(x[:, :, 0, 0], gamma, beta), f.layer_norm_backward),
    ]
    for forward, backward in cases:
        out, cache = forward()
        np.testing.assert_array_equal(out, np.broadcast_to(beta.reshape(1, 4, *[1] * (out.ndim - 2)), out.shape))
        assert all(np.isfinite(g).all() for g in backward(dout[: len(out)].reshape(out.shape), cache))


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 2, 5)])
def test_the_layer_of_the_product_agrees_at_test_time(shape: tuple[int, ...], rng) -> None:
    layer = build("BN", shape=shape[1:]).double()
    x = 2 + 3 * rng.standard_normal(shape)
    layer.train()(torch.tensor(x))
    gamma, beta = affine(rng, (3,))
    bn = layer[0]
    bn.weight.data, bn.bias.data = torch.tensor(gamma), torch.tensor(beta)
    M = x.size // 3
    now_mean, now_var = f.batch_statistics(x)
    mean, var = f.running_average(np.zeros(3), now_mean), f.running_average(np.ones(3), now_var * M / (M - 1))
    out, _ = f.batch_norm_test(x, gamma, beta, mean, var)
    np.testing.assert_allclose(layer.eval()(torch.tensor(x)).detach().numpy(), out, rtol=1e-11)
