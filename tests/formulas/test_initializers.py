"""Initialization: variances within their statistical error, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import formulas as f

VARIANCE = {
    "gaussian": (f.gaussian_weights, lambda D_in: 1e-4),
    "xavier": (f.xavier_weights, lambda D_in: 1 / D_in),
    "he": (f.he_weights, lambda D_in: 2 / D_in),
}


@pytest.mark.parametrize("D_in", [50, 400])
@pytest.mark.parametrize("name", VARIANCE)
def test_variance(name: str, D_in: int) -> None:
    draw, variance = VARIANCE[name]
    W = draw(np.random.default_rng(3), D_in, 600)
    assert W.shape == (D_in, 600)
    assert W.dtype == np.float64
    error = np.sqrt(2 / W.size)  # of the relative variance of a normal sample
    assert abs(W.var() / variance(D_in) - 1) < 5 * error
    assert abs(W.mean()) < 5 * np.sqrt(variance(D_in) / W.size)


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (7, 3), (3, 7), (1, 5), (5, 1)])
def test_orthogonal(shape: tuple[int, int]) -> None:
    W = f.orthogonal_weights(np.random.default_rng(5), *shape)
    assert W.shape == shape
    gram = W.T @ W if shape[1] <= shape[0] else W @ W.T
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-13)
    np.testing.assert_allclose(np.linalg.svd(W, compute_uv=False), 1, atol=1e-13)


def test_orthogonal_keeps_lengths_over_many_layers() -> None:
    rng = np.random.default_rng(6)
    x = rng.standard_normal((8, 30))
    y = x
    for _ in range(50):
        y = y @ f.orthogonal_weights(rng, 30, 30)
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), np.linalg.norm(x, axis=1), rtol=1e-11)


def test_xavier_keeps_the_variance_and_the_small_gaussian_fades() -> None:
    rng = np.random.default_rng(7)
    kept = fading = rng.standard_normal((200, 400))
    for _ in range(6):
        kept = kept @ f.xavier_weights(rng, 400, 400)
        fading = fading @ f.gaussian_weights(rng, 400, 400)
    assert 0.8 < kept.var() < 1.25
    assert fading.var() < 1e-3


def test_he_keeps_the_mean_square_behind_relus_and_xavier_halves_it() -> None:
    rng = np.random.default_rng(8)
    he = xavier = rng.standard_normal((200, 400))
    for _ in range(6):
        he = f.relu_forward(he)[0] @ f.he_weights(rng, 400, 400)
        xavier = f.relu_forward(xavier)[0] @ f.xavier_weights(rng, 400, 400)
    assert 0.7 < he.var() < 1.4
    assert xavier.var() == pytest.approx(2.0**-6, rel=0.3)


def test_biases() -> None:
    np.testing.assert_array_equal(f.constant_biases(4), np.zeros(4))
    np.testing.assert_array_equal(f.constant_biases(4, 0.1), np.full(4, 0.1))


@pytest.mark.parametrize("draw", [f.gaussian_weights, f.xavier_weights, f.he_weights, f.orthogonal_weights])
def test_draws_come_from_rng_alone(draw) -> None:
    np.testing.assert_array_equal(draw(np.random.default_rng(1), 5, 4), draw(np.random.default_rng(1), 5, 4))
    assert np.abs(draw(np.random.default_rng(1), 5, 4) - draw(np.random.default_rng(2), 5, 4)).max() > 1e-4


@pytest.mark.parametrize(("K", "C", "F"), [(2, 2, 3), (5, 3, 3), (3, 5, 5), (4, 1, 1)])
def test_dirac_filters_pass_the_first_channels_on(K: int, C: int, F: int, rng) -> None:
    x = rng.standard_normal((2, C, 6, 7))
    w = f.dirac_filters(rng, K, C, F)
    out, _ = f.conv_forward(x, w, np.zeros(K), stride=1, pad=F // 2)
    kept = min(K, C)
    np.testing.assert_allclose(out[:, :kept], x[:, :kept], atol=1e-12)
    others = w[kept:]
    if others.size > 100:
        assert others.var() * 3 * C * F * F == pytest.approx(1, abs=0.35)
    assert np.abs(others).max(initial=0) <= 1 / np.sqrt(C * F * F)
