"""Losses: the worked numbers, finite differences, scipy, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import formulas as f

SCORES = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
Y = np.array([0, 1, 2])
SHAPES = [(1, 1), (1, 2), (5, 3), (4, 10), (7, 2)]
BY_CLASS = {"svm": (f.svm_loss, f.svm_loss_backward), "softmax": (f.softmax_loss, f.softmax_loss_backward)}


def test_svm_worked_numbers() -> None:
    losses, _ = f.svm_loss(SCORES, Y)
    np.testing.assert_allclose(losses, [2.9, 0, 12.9], rtol=1e-14)
    assert f.mean_loss(losses)[0] == pytest.approx(15.8 / 3)


def test_softmax_worked_numbers() -> None:
    np.testing.assert_allclose(np.exp(SCORES[0]).round(2), [24.53, 164.02, 0.18])
    np.testing.assert_allclose(f.softmax(SCORES[:1])[0].round(2), [0.13, 0.87, 0.0])
    assert f.softmax_loss(SCORES[:1], Y[:1])[0].round(2) == 2.04


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", BY_CLASS)
def test_gradient(name: str, shape: tuple[int, int], rng, check_backward) -> None:
    forward, backward = BY_CLASS[name]
    scores, y = 3 * rng.standard_normal(shape), rng.integers(0, shape[1], shape[0])
    check_backward(lambda s: forward(s, y), backward, scores)
    wide = 3 * rng.standard_normal((shape[1], shape[0] * 2))
    check_backward(lambda s: forward(s, y), backward, wide.T[::2])  # not contiguous


@pytest.mark.parametrize("targets", ["classes", "between"])
def test_gradient_of_binary_cross_entropy(targets: str, rng, check_backward) -> None:
    y = rng.integers(0, 2, 9).astype(float) if targets == "classes" else rng.random(9)
    check_backward(lambda s: f.binary_cross_entropy(s, y), f.binary_cross_entropy_backward, 3 * rng.standard_normal(9))


@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (5, 1)])
def test_gradient_of_mean_squared_error(shape: tuple[int, int], rng, check_backward) -> None:
    y = rng.standard_normal(shape)
    check_backward(lambda p: f.mean_squared_error(p, y), f.mean_squared_error_backward, rng.standard_normal(shape))


@pytest.mark.parametrize("n", [1, 6])
def test_gradient_of_the_mean(n: int, rng, check_backward) -> None:
    check_backward(f.mean_loss, f.mean_loss_backward, rng.standard_normal(n))


def test_mean_squared_error_by_hand() -> None:
    losses, cache = f.mean_squared_error(np.array([[1.0, 3.0], [0.0, -2.0]]), np.array([[0.0, 1.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(losses, [2.5, 2.0])
    np.testing.assert_array_equal(f.mean_squared_error_backward(np.ones(2), cache), [[1.0, 2.0], [0.0, -2.0]])


def test_svm_by_a_loop(rng) -> None:
    scores, y = 2 * rng.standard_normal((20, 6)), rng.integers(0, 6, 20)
    by_hand = [sum(max(0, row[j] - row[c] + 1) for j in range(6) if j != c) for row, c in zip(scores, y, strict=True)]
    np.testing.assert_allclose(f.svm_loss(scores, y)[0], by_hand, rtol=1e-13)


def test_log_softmax_is_scipys(rng) -> None:
    for scale in (1e-3, 1.0, 50.0, 1e4):
        scores = scale * rng.standard_normal((8, 7))
        np.testing.assert_allclose(f.log_softmax(scores), scipy.special.log_softmax(scores, axis=1), rtol=1e-13)
        np.testing.assert_allclose(f.softmax(scores), scipy.special.softmax(scores, axis=1), rtol=1e-11, atol=1e-300)
        chosen = scipy.special.log_softmax(scores, axis=1)[np.arange(8), np.arange(8) % 7]
        np.testing.assert_allclose(f.softmax_loss(scores, np.arange(8) % 7)[0], -chosen, rtol=1e-13)


def test_a_loss_of_zero_stays_zero_when_the_weights_double(rng) -> None:
    found = 0
    for _ in range(200):
        W, x = rng.standard_normal((6, 3)), 3 * rng.standard_normal((2, 6))
        y = (x @ W).argmax(axis=1)
        if f.svm_loss(x @ W, y)[0].sum() == 0:
            found += 1
            assert f.svm_loss(x @ (2 * W), y)[0].sum() == 0
            assert f.full_loss(f.svm_loss(x @ (2 * W), y)[0], f.l2_penalty(2 * W)[0], 0.1)[0] > 0.1 * (W**2).sum()
    assert 20 <= found < 190


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_small_weights_start_at_log_k(classes: int, rng) -> None:
    scores = 1e-4 * rng.standard_normal((64, classes))
    loss, _ = f.mean_loss(f.softmax_loss(scores, rng.integers(0, classes, 64))[0])
    assert loss == pytest.approx(np.log(classes), rel=1e-3)
    hinge, _ = f.mean_loss(f.svm_loss(scores, rng.integers(0, classes, 64))[0])
    assert hinge == pytest.approx(classes - 1, rel=1e-2)


def test_minimal_where_the_likelihood_is_maximal() -> None:
    counts = np.array([5, 3, 2])
    y = np.repeat(np.arange(3), counts)
    scores = np.tile(np.log(counts / 10), (10, 1))  # the frequencies are the maximum-likelihood estimate
    losses, cache = f.softmax_loss(scores, y)
    np.testing.assert_allclose(f.softmax_loss_backward(np.ones(10), cache).sum(axis=0), 0, atol=1e-14)
    assert losses.sum() == pytest.approx(-np.log(np.prod((counts / 10.0) ** counts)))


def test_binary_cross_entropy_is_the_lecture_formula_and_softmax_of_two(rng) -> None:
    s, y = 2 * rng.standard_normal(12), rng.integers(0, 2, 12)
    p = 1 / (1 + np.exp(-s))
    losses, _ = f.binary_cross_entropy(s, y.astype(float))
    np.testing.assert_allclose(losses, -(y * np.log(p) + (1 - y) * np.log(1 - p)), rtol=1e-12)
    np.testing.assert_allclose(losses, f.softmax_loss(np.stack([np.zeros(12), s], axis=1), y)[0], rtol=1e-12)


def test_binary_cross_entropy_keeps_its_digits_where_it_is_small() -> None:
    losses, _ = f.binary_cross_entropy(np.array([-30.0, 30.0]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(losses, np.exp(-30), rtol=1e-12)


def test_the_kink_of_the_hinge_pulls_nobody() -> None:
    losses, cache = f.svm_loss(np.array([[2.0, 1.0]]), np.array([0]))
    assert losses == 0
    np.testing.assert_array_equal(f.svm_loss_backward(np.ones(1), cache), [[0.0, 0.0]])


EXTREMES = [
    np.array([[1e4, -1e4, 0.0]]),
    np.array([[-1e4, -1e4, -1e4]]),
    np.full((2, 5), 1e4),
    np.zeros((1, 1)),
    np.array([[1e300, -1e300]]),
    np.array([[1e-300, 0.0]]),
]


@pytest.mark.parametrize("case", range(len(EXTREMES)))
@pytest.mark.parametrize("name", BY_CLASS)
def test_extremes_are_finite(name: str, case: int) -> None:
    forward, backward = BY_CLASS[name]
    scores = EXTREMES[case]
    for y in range(scores.shape[1]):
        losses, cache = forward(scores, np.full(len(scores), y))
        assert np.isfinite(losses).all()
        assert (losses >= 0).all()
        assert np.isfinite(backward(np.ones(len(scores)), cache)).all()


def test_binary_extremes_are_finite() -> None:
    s = np.array([1e4, -1e4, 0.0, 1e4, -1e4, 1e300])
    y = np.array([0.0, 1.0, 0.5, 1.0, 0.0, 1.0])
    losses, cache = f.binary_cross_entropy(s, y)
    np.testing.assert_allclose(losses, [1e4, 1e4, np.log(2), 0, 0, 0], atol=1e-300)
    np.testing.assert_array_equal(f.binary_cross_entropy_backward(np.ones(6), cache), [1, -1, 0, 0, 0, 0])


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), k=st.integers(1, 8), shift=st.floats(-1e3, 1e3))
def test_softmax_properties(seed: int, n: int, k: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    scores, y, order = 5 * rng.standard_normal((n, k)), rng.integers(0, k, n), rng.permutation(k)
    p = f.softmax(scores)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(f.softmax(scores + shift), p, rtol=1e-9)
    np.testing.assert_allclose(f.softmax(scores[:, order]), p[:, order], rtol=1e-12)
    np.testing.assert_array_equal(p.argsort(axis=1), scores.argsort(axis=1))
    np.testing.assert_allclose(np.log(p), f.log_softmax(scores), atol=1e-9)
    losses, cache = f.softmax_loss(scores, y)
    assert (losses >= 0).all()
    np.testing.assert_allclose(losses, -f.log_softmax(scores)[np.arange(n), y])
    np.testing.assert_allclose(f.softmax_loss_backward(np.ones(n), cache).sum(axis=1), 0, atol=1e-12)
    mixed = rng.permutation(n)
    np.testing.assert_allclose(f.softmax_loss(scores[mixed], y[mixed])[0], losses[mixed])


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), k=st.integers(1, 8), shift=st.floats(-100, 100))
def test_hinge_properties(seed: int, n: int, k: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    scores, y = 3 * rng.standard_normal((n, k)), rng.integers(0, k, n)
    losses, cache = f.svm_loss(scores, y)
    assert (losses >= 0).all()
    np.testing.assert_allclose(f.svm_loss(scores + shift, y)[0], losses, atol=1e-10)
    np.testing.assert_allclose(f.svm_loss_backward(np.ones(n), cache).sum(axis=1), 0, atol=1e-12)
    raised = scores.copy()
    raised[np.arange(n), y] += 1e3
    assert (f.svm_loss(raised, y)[0] == 0).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_smoothing_is_cross_entropy_with_spread_targets(smoothing: float, rng, check_backward) -> None:
    scores, y = rng.standard_normal((5, 4)) * 3, np.array([0, 3, 1, 1, 2])
    losses, _ = f.smoothed_softmax_loss(scores, y, smoothing)
    log_p = f.log_softmax(scores)
    for i in range(5):
        by_hand = sum(((1 - smoothing) * (k == y[i]) + smoothing / 4) * -log_p[i, k] for k in range(4))
        assert losses[i] == pytest.approx(by_hand)
    check_backward(
        lambda s: f.smoothed_softmax_loss(s, y, smoothing),
        f.smoothed_softmax_loss_backward,
        scores,
    )
    if smoothing == 0:
        np.testing.assert_allclose(losses, f.softmax_loss(scores, y)[0])
    else:  # endless scores are no longer best
        sure = f.smoothed_softmax_loss(1e3 * np.eye(4)[y], y, smoothing)[0]
        assert (sure > f.smoothed_softmax_loss(3 * np.eye(4)[y], y, smoothing)[0]).all()
