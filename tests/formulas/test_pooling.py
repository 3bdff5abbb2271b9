"""Pooling: torch, finite differences, ties, padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from chainrule import formulas as f
from chainrule.core.errors import UsageError

# shape, F, stride, pad
CASES = {
    "two by two": ((2, 3, 4, 4), 2, 2, 0),
    "one pixel": ((1, 1, 1, 1), 1, 1, 0),
    "odd, does not divide": ((1, 2, 5, 7), 2, 2, 0),
    "overlapping": ((2, 1, 7, 5), 3, 2, 0),
    "padded": ((1, 2, 5, 6), 3, 2, 1),
    "gaps": ((1, 1, 7, 7), 2, 3, 1),
    "whole": ((3, 2, 3, 3), 3, 1, 0),
}
KINDS = {
    "max": (f.max_pool_forward, f.max_pool_backward, functional.max_pool2d),
    "average": (f.average_pool_forward, f.average_pool_backward, functional.avg_pool2d),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_gradient(kind: str, case: str, rng, check_backward) -> None:
    forward, backward, _ = KINDS[kind]
    shape, F, stride, pad = CASES[case]
    check_backward(lambda x: forward(x, F, stride, pad), backward, rng.standard_normal(shape))
    check_backward(lambda x: forward(x, F, stride, pad), backward, rng.standard_normal(shape[::-1]).T)  # a view


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_torch_agrees_in_value_and_gradient(kind: str, case: str, rng) -> None:
    forward, backward, reference = KINDS[kind]
    shape, F, stride, pad = CASES[case]
    x = rng.integers(-2, 3, shape).astype(float)  # many ties
    t = torch.tensor(x, requires_grad=True)
    y = reference(t, F, stride, pad)
    dout = rng.standard_normal(y.shape)
    y.backward(torch.tensor(dout))
    out, cache = forward(x, F, stride, pad)
    np.testing.assert_allclose(out, y.detach().numpy(), rtol=1e-14)
    np.testing.assert_allclose(backward(dout, cache), t.grad.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 4, 2), (1, 2, 3, 5)])
def test_gradient_of_global_average(shape: tuple[int, ...], rng, check_backward) -> None:
    x = rng.standard_normal(shape)
    check_backward(f.global_average_pool_forward, f.global_average_pool_backward, x)
    reference = functional.adaptive_avg_pool2d(torch.tensor(x), 1).flatten(1).numpy()
    np.testing.assert_allclose(f.global_average_pool_forward(x)[0], reference, rtol=1e-12)


def test_by_hand() -> None:
    x = np.array([[[[1.0, 5.0, 2.0, 2.0], [3.0, 4.0, 2.0, 2.0]]]])
    out, cache = f.max_pool_forward(x)
    np.testing.assert_array_equal(out, [[[[5.0, 2.0]]]])
    dx = f.max_pool_backward(np.array([[[[10.0, 20.0]]]]), cache)
    np.testing.assert_array_equal(dx, [[[[0, 10, 20, 0], [0, 0, 0, 0]]]])  # of equal ones the first
    out, cache = f.average_pool_forward(x)
    np.testing.assert_array_equal(out, [[[[3.25, 2.0]]]])
    dx = f.average_pool_backward(np.array([[[[4.0, 8.0]]]]), cache)
    np.testing.assert_array_equal(dx, [[[[1, 1, 2, 2], [1, 1, 2, 2]]]])


def test_padding_counts_in_the_average_and_never_wins_the_maximum() -> None:
    x = np.full((1, 1, 2, 2), -4.0)
    np.testing.assert_array_equal(f.max_pool_forward(x, 2, 2, 1)[0], np.full((1, 1, 2, 2), -4.0))
    np.testing.assert_array_equal(f.average_pool_forward(x, 2, 2, 1)[0], np.full((1, 1, 2, 2), -1.0))


def test_output_sizes_of_the_lectures() -> None:
    assert [f.pool_output_size(W, 2, 2) for W in (32, 16, 7)] == [16, 8, 3]
    assert [f.pool_output_size(W, 3, 2) for W in (55, 27, 13)] == [27, 13, 6]
    assert f.pool_output_size(112, 3, 2, 1) == 56


@pytest.mark.parametrize(
    ("W", "F", "P", "message"),
    [(2, 3, 0, "does not fit"), (5, 2, 2, "more than half the window: expected at most 1, got 2")],
)
def test_windows_without_a_pixel_are_refused(W: int, F: int, P: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        f.pool_output_size(W, F, 1, P)
    for forward in (f.max_pool_forward, f.average_pool_forward):
        with pytest.raises(UsageError, match=message):
            forward(np.zeros((1, 1, W, W)), F, 1, P)


def test_properties(rng) -> None:
    x, y = rng.standard_normal((2, 2, 3, 6, 6))
    top = f.max_pool_forward(x)[0]
    np.testing.assert_array_equal(f.max_pool_forward(np.exp(x))[0], np.exp(top))  # commutes with what increases
    assert (f.max_pool_forward(x + np.abs(y))[0] >= top).all()
    assert (f.average_pool_forward(x)[0] <= top).all()
    np.testing.assert_array_equal(f.max_pool_forward(np.full((1, 1, 4, 4), 3.0))[0], np.full((1, 1, 2, 2), 3.0))
    mean = f.average_pool_forward
    np.testing.assert_allclose(mean(2 * x + y)[0], 2 * mean(x)[0] + mean(y)[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(mean(x, 6, 6)[0][:, :, 0, 0], f.global_average_pool_forward(x)[0], rtol=1e-12)


@pytest.mark.parametrize("value", [1e4, -1e4, 1e300])
@pytest.mark.parametrize("kind", KINDS)
def test_extremes_are_finite(kind: str, value: float) -> None:
    forward, backward, _ = KINDS[kind]
    out, cache = forward(np.full((1, 2, 4, 4), value), 3, 2, 1)
    assert np.isfinite(out).all()
    assert np.isfinite(backward(np.ones_like(out), cache)).all()
