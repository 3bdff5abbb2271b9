"""Clipping: norm at most c, direction kept, nothing done below, torch's own functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import formulas as f
from chainrule.optim import suggest_clip


def test_by_hand() -> None:
    np.testing.assert_array_equal(f.clip_by_value(np.array([3.0, -0.5, -4.0, 2.0]), 2.0), [2.0, -0.5, -2.0, 2.0])
    np.testing.assert_allclose(f.clip_by_norm(np.array([[3.0], [4.0]]), 1.0), [[0.6], [0.8]], rtol=1e-15)


def test_the_norm_itself_is_compared_and_not_its_square() -> None:
    g = np.array([1.2, 1.6])  # norm 2, square 4
    np.testing.assert_array_equal(f.clip_by_norm(g, 3.0), g)
    np.testing.assert_allclose(np.linalg.norm(f.clip_by_norm(g * 2, 3.0)), 3.0, rtol=1e-15)
    np.testing.assert_array_equal(f.clip_by_norm(g / 4, 0.75), g / 4)  # norm 0.5, square 0.25


@settings(deadline=None, max_examples=60, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 9), c=st.floats(1e-3, 1e3), scale=st.floats(1e-3, 1e4))
def test_properties(seed: int, size: int, c: float, scale: float) -> None:
    g = scale * np.random.default_rng(seed).standard_normal(size)
    norm = np.linalg.norm(g)
    clipped = f.clip_by_norm(g, c)
    assert np.linalg.norm(clipped) == pytest.approx(min(norm, c), rel=1e-12)
    np.testing.assert_allclose(clipped * norm, g * np.linalg.norm(clipped), rtol=1e-10)  # the same direction
    if norm <= c:
        np.testing.assert_array_equal(clipped, g)
    np.testing.assert_allclose(f.clip_by_norm(clipped, c), clipped, rtol=1e-15)
    by_value = f.clip_by_value(g, c)
    np.testing.assert_array_equal(by_value, np.clip(g, -c, c))
    assert np.abs(by_value).max() <= c


@pytest.mark.parametrize("clip", [f.clip_by_value, f.clip_by_norm])
def test_zero_stays_zero_and_extremes_are_finite(clip) -> None:
    for c in (1e-6, 1.0, 1e6):
        np.testing.assert_array_equal(clip(np.zeros((3, 2)), c), np.zeros((3, 2)))
        for size in (1e-300, 1e-8, 1e4, 1e100):
            g = np.array([size, -size, 0.0])
            clipped = clip(g, c)
            assert np.isfinite(clipped).all()
            assert np.abs(clipped).max() == pytest.approx(min(size, c if clip is f.clip_by_value else c / np.sqrt(2)))


def test_torch_clips_alike(rng) -> None:
    g = rng.standard_normal(40)
    for c in (0.1, 1.0, 100.0):
        p = torch.zeros(40, dtype=torch.float64, requires_grad=True)
        p.grad = torch.tensor(g)
        torch.nn.utils.clip_grad_value_([p], c)
        np.testing.assert_allclose(f.clip_by_value(g, c), p.grad.numpy(), rtol=1e-15)
        p.grad = torch.tensor(g)
        torch.nn.utils.clip_grad_norm_([p], c)
        np.testing.assert_allclose(f.clip_by_norm(g, c), p.grad.numpy(), rtol=1e-5)  # torch adds 1e-6 to the norm


def test_the_suggested_threshold_lets_a_healthy_epoch_pass_and_stops_an_explosion(rng) -> None:
    norms = list(1 + 0.2 * rng.random(500))
    c = suggest_clip([*norms, 1e6])  # one explosion does not raise it
    assert c == pytest.approx(2 * np.quantile([*norms, 1e6], 0.95))
    for norm in norms:
        np.testing.assert_array_equal(f.clip_by_norm(np.array([norm]), c), [norm])
    assert f.clip_by_norm(np.array([1e6]), c) == pytest.approx(c)
