"""Convolution: scipy and torch, finite differences, and the laws of a linear map."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from chainrule import formulas as f
from chainrule.core.errors import UsageError

# N, C, H, W, K, F, stride, pad, dilation, groups
CASES = {
    "plain": (2, 3, 5, 5, 4, 3, 1, 0, 1, 1),
    "one pixel": (1, 1, 1, 1, 1, 1, 1, 0, 1, 1),
    "padded": (1, 2, 4, 5, 3, 3, 1, 1, 1, 1),
    "stride does not divide": (2, 2, 6, 7, 2, 3, 2, 0, 1, 1),
    "stride leaves gaps": (1, 2, 7, 6, 2, 2, 3, 0, 1, 1),
    "dilated": (1, 2, 6, 7, 2, 3, 1, 1, 2, 1),
    "two groups": (2, 4, 4, 3, 6, 3, 1, 1, 1, 2),
    "depthwise": (1, 3, 4, 4, 6, 2, 1, 0, 1, 3),
    "all at once": (2, 4, 7, 6, 4, 3, 2, 2, 2, 2),
    "covers all": (2, 2, 3, 3, 5, 3, 1, 0, 1, 1),
}


def draw(rng: np.random.Generator, case: tuple[int, ...]) -> tuple[tuple[np.ndarray, ...], dict[str, int]]:
    N, C, H, W, K, F, stride, pad, dilation, groups = case
    arrays = (rng.standard_normal((N, C, H, W)), rng.standard_normal((K, C // groups, F, F)), rng.standard_normal(K))
    return arrays, {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups}


def torch_conv(x, w, b, *, stride: int, pad: int, dilation: int, groups: int):
    return functional.conv2d(x, w, b, stride, pad, dilation, groups)


@pytest.mark.parametrize("name", CASES)
def test_gradient(name: str, rng, check_backward) -> None:
    arrays, options = draw(rng, CASES[name])
    check_backward(lambda *a: f.conv_forward(*a, **options), f.conv_backward, *arrays)


def test_gradient_on_views_and_oblong_filters(rng, check_backward) -> None:
    x = rng.standard_normal((5, 8, 2, 2)).transpose(2, 3, 0, 1)[..., ::2]  # (2, 2, 5, 4), not contiguous
    w = rng.standard_normal((2, 3, 2, 3)).transpose(3, 0, 2, 1)  # (3, 2, 2, 3)
    check_backward(lambda *a: f.conv_forward(*a, stride=2, pad=1), f.conv_backward, x, w, rng.standard_normal(3))


@pytest.mark.parametrize("name", CASES)
def test_torch_agrees_in_value_and_gradient(name: str, rng) -> None:
    arrays, options = draw(rng, CASES[name])
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = torch_conv(*tensors, **options)
    dout = rng.standard_normal(y.shape)
    y.backward(torch.tensor(dout))
    out, cache = f.conv_forward(*arrays, **options)
    np.testing.assert_allclose(out, y.detach().numpy(), rtol=1e-12, atol=1e-13)
    for ours, tensor in zip(f.conv_backward(dout, cache), tensors, strict=True):
        np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_scipy_correlates_alike(rng) -> None:
    x, w, b = rng.standard_normal((2, 3, 8, 6)), rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(4)
    out, _ = f.conv_forward(x, w, b)
    for n in range(2):
        for k in range(4):
            expected = scipy.signal.correlate(x[n], w[k], mode="valid")[0] + b[k]
            np.testing.assert_allclose(out[n, k], expected, rtol=1e-11, atol=1e-12)


SIZES = [(W, F, S, P, D) for W in (1, 5, 8) for F in (1, 2, 3) for S in (1, 2, 3) for P in (0, 1) for D in (1, 2)]


def test_output_size_counts_the_windows() -> None:
    for W, F, S, P, D in SIZES:
        covered = D * (F - 1) + 1
        starts = [i for i in range(0, W + 2 * P, S) if i + covered <= W + 2 * P]
        if starts:
            assert f.conv_output_size(W, F, S, P, D) == len(starts)
        else:
            with pytest.raises(UsageError, match="does not fit"):
                f.conv_output_size(W, F, S, P, D)


def test_output_sizes_of_the_lectures() -> None:
    assert f.conv_output_size(32, F=5, P=2) == 32
    assert f.conv_output_size(227, F=11, S=4) == 55
    assert f.conv_output_size(224, F=11, S=4) == 54
    assert f.conv_output_size(224, F=11, S=4, P=2) == 55


def test_parameters_of_the_lectures() -> None:
    assert f.conv_parameters(5, 1, 10) == 260
    assert f.conv_parameters(5, 10, 10) == 2510
    layer = torch.nn.Conv2d(6, 9, 5, groups=3)
    assert f.conv_parameters(5, 6, 9, 3) == sum(p.numel() for p in layer.parameters())


@settings(deadline=None, max_examples=30, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), a=st.floats(-5, 5), stride=st.integers(1, 3), pad=st.integers(0, 2))
def test_linear_in_input_and_in_weight(seed: int, a: float, stride: int, pad: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, 1, 2, 5, 4))
    v, w = rng.standard_normal((2, 3, 2, 3, 3))
    zero, options = np.zeros(3), {"stride": stride, "pad": pad}

    def conv(x, w):
        return f.conv_forward(x, w, zero, **options)[0]

    np.testing.assert_allclose(conv(a * x + y, w), a * conv(x, w) + conv(y, w), atol=1e-11)
    np.testing.assert_allclose(conv(x, a * v + w), a * conv(x, v) + conv(x, w), atol=1e-11)


def test_translation_of_the_input_translates_the_output(rng) -> None:
    x, w = rng.standard_normal((1, 2, 9, 9)), rng.standard_normal((3, 2, 3, 3))
    out, _ = f.conv_forward(x, w, np.zeros(3))
    moved, _ = f.conv_forward(np.roll(x, (1, 2), axis=(2, 3)), w, np.zeros(3))
    np.testing.assert_allclose(moved[:, :, 1:, 2:], out[:, :, :-1, :-2], rtol=1e-12)


def test_one_by_one_is_a_matrix_product(rng) -> None:
    x, w, b = rng.standard_normal((2, 3, 4, 4)), rng.standard_normal((5, 3, 1, 1)), rng.standard_normal(5)
    rows, _ = f.affine_forward(x.transpose(0, 2, 3, 1).reshape(-1, 3), w[:, :, 0, 0].T, b)
    out, _ = f.conv_forward(x, w, b)
    np.testing.assert_allclose(out, rows.reshape(2, 4, 4, 5).transpose(0, 3, 1, 2), rtol=1e-12)


def test_groups_are_separate_convolutions_side_by_side(rng) -> None:
    x, w, b = rng.standard_normal((2, 6, 4, 4)), rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(4)
    halves = [f.conv_forward(x[:, 3 * g : 3 * g + 3], w[2 * g : 2 * g + 2], b[2 * g : 2 * g + 2])[0] for g in (0, 1)]
    np.testing.assert_allclose(f.conv_forward(x, w, b, groups=2)[0], np.concatenate(halves, axis=1), rtol=1e-12)


def test_a_dilated_filter_is_one_stuffed_with_zeros(rng) -> None:
    x, w, b = rng.standard_normal((1, 2, 9, 8)), rng.standard_normal((3, 2, 3, 3)), rng.standard_normal(3)
    stuffed = np.zeros((3, 2, 7, 7))
    stuffed[:, :, ::3, ::3] = w
    np.testing.assert_allclose(
        f.conv_forward(x, w, b, dilation=3)[0], f.conv_forward(x, stuffed, b)[0], rtol=1e-11, atol=1e-12
    )


def test_a_filter_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="does not fit into its padded input: expected >= 3, got 2"):
        f.conv_forward(np.zeros((1, 1, 2, 5)), np.zeros((1, 1, 3, 3)), np.zeros(1))


# N, C, H, W, K, F, stride, pad, groups
UPCONV = {
    "plain": (2, 3, 3, 4, 2, 3, 1, 0, 1),
    "doubles": (1, 2, 3, 2, 3, 2, 2, 0, 1),
    "overlaps and is cut": (2, 2, 3, 3, 2, 3, 2, 1, 1),
    "groups": (1, 4, 2, 3, 6, 3, 2, 1, 2),
    "holes": (1, 1, 2, 2, 1, 1, 3, 0, 1),
}


def draw_up(rng: np.random.Generator, case: tuple[int, ...]) -> tuple[tuple[np.ndarray, ...], dict[str, int]]:
    N, C, H, W, K, F, stride, pad, groups = case
    arrays = (rng.standard_normal((N, C, H, W)), rng.standard_normal((C, K // groups, F, F)), rng.standard_normal(K))
    return arrays, {"stride": stride, "pad": pad, "groups": groups}


@pytest.mark.parametrize("name", UPCONV)
def test_gradient_of_the_transposed(name: str, rng, check_backward) -> None:
    arrays, options = draw_up(rng, UPCONV[name])
    check_backward(lambda *a: f.conv_transpose_forward(*a, **options), f.conv_transpose_backward, *arrays)


@pytest.mark.parametrize("name", UPCONV)
def test_torch_agrees_on_the_transposed(name: str, rng) -> None:
    arrays, options = draw_up(rng, UPCONV[name])
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = functional.conv_transpose2d(*tensors, options["stride"], options["pad"], groups=options["groups"])
    dout = rng.standard_normal(y.shape)
    y.backward(torch.tensor(dout))
    out, cache = f.conv_transpose_forward(*arrays, **options)
    np.testing.assert_allclose(out, y.detach().numpy(), rtol=1e-12, atol=1e-13)
    for ours, tensor in zip(f.conv_transpose_backward(dout, cache), tensors, strict=True):
        np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-12, atol=1e-12)
    assert out.shape[2:] == tuple(
        f.conv_transpose_output_size(n, arrays[1].shape[2], options["stride"], options["pad"])
        for n in arrays[0].shape[2:]
    )


@pytest.mark.parametrize(("stride", "pad", "groups"), [(1, 0, 1), (2, 0, 1), (2, 1, 2), (3, 1, 1), (1, 2, 2)])
def test_the_transposed_is_the_adjoint(stride: int, pad: int, groups: int, rng) -> None:
    H = f.conv_transpose_output_size(3, F=3, S=stride, P=pad)
    W = f.conv_transpose_output_size(4, F=3, S=stride, P=pad)
    y, x = rng.standard_normal((2, 4, H, W)), rng.standard_normal((2, 6, 3, 4))
    w = rng.standard_normal((6, 4 // groups, 3, 3))
    forth, _ = f.conv_forward(y, w, np.zeros(6), stride, pad, groups=groups)
    back, _ = f.conv_transpose_forward(x, w, np.zeros(4), stride, pad, groups)
    assert np.sum(forth * x) == pytest.approx(np.sum(y * back), rel=1e-12)


def test_overlaps_are_added() -> None:
    out, _ = f.conv_transpose_forward(np.ones((1, 1, 1, 2)), np.ones((1, 1, 1, 3)), np.zeros(1), stride=2)
    np.testing.assert_array_equal(out.ravel(), [1, 1, 2, 1, 1])


def test_fully_connected_is_a_convolution_that_covers_all(rng) -> None:
    x, W, b = rng.standard_normal((3, 4, 5, 2)), rng.standard_normal((40, 6)), rng.standard_normal(6)
    out, _ = f.conv_forward(x, f.affine_to_conv(W, 4, 5, 2), b)
    assert out.shape == (3, 6, 1, 1)
    np.testing.assert_allclose(out[:, :, 0, 0], f.affine_forward(x, W, b)[0], rtol=1e-11)
    back, same = f.conv_to_affine(f.affine_to_conv(W, 4, 5, 2), b, 4, 5, 2)
    np.testing.assert_array_equal(back, W)
    np.testing.assert_array_equal(same, b)


@pytest.mark.parametrize(("stride", "pad"), [(1, 0), (2, 1), (3, 0)])
def test_any_convolution_is_fully_connected(stride: int, pad: int, rng) -> None:
    x, w, b = rng.standard_normal((2, 2, 5, 4)), rng.standard_normal((3, 2, 3, 3)), rng.standard_normal(3)
    out, _ = f.conv_forward(x, w, b, stride, pad)
    W, repeated = f.conv_to_affine(w, b, 2, 5, 4, stride, pad)
    np.testing.assert_allclose(f.affine_forward(x, W, repeated)[0].reshape(out.shape), out, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 1e4, -1e4])
def test_extremes_are_finite(value: float) -> None:
    out, cache = f.conv_forward(np.full((1, 2, 3, 3), value), np.full((2, 2, 3, 3), value), np.zeros(2), pad=1)
    assert np.isfinite(out).all()
    assert all(np.isfinite(g).all() for g in f.conv_backward(np.ones_like(out), cache))
