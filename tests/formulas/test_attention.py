"""Attention: finite differences, torch, and what masks and permutations do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from chainrule import formulas as f

LEADING = [(), (2,), (2, 3)]


def normal(rng: np.random.Generator, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("lead", LEADING)
def test_gradient_of_scores(lead, rng, check_backward) -> None:
    q, k, other = normal(rng, (*lead, 2, 3), (*lead, 4, 3), (*lead, 4, 5))
    W, Wq, Wk, w = normal(rng, (3, 5), (3, 2), (5, 2), (2,))
    check_backward(f.dot_scores_forward, f.dot_scores_backward, q, k)
    check_backward(f.scaled_scores_forward, f.scaled_scores_backward, q, k)
    check_backward(f.bilinear_scores_forward, f.bilinear_scores_backward, q, other, W)
    check_backward(f.additive_scores_forward, f.additive_scores_backward, q, other, Wq, Wk, w)


@pytest.mark.parametrize("lead", LEADING)
@pytest.mark.parametrize("masked", [False, True])
def test_gradient_of_attention(lead, masked, rng, check_backward) -> None:
    q, k, v, e = normal(rng, (*lead, 3, 2), (*lead, 3, 2), (*lead, 3, 4), (*lead, 3, 3))
    mask = f.causal_mask(3) if masked else None
    check_backward(lambda e, v: f.attend_forward(e, v, mask), f.attend_backward, e, v)
    check_backward(lambda q, k, v: f.attention_forward(q, k, v, mask), f.attention_backward, q, k, v)


@pytest.mark.parametrize("lead", LEADING[:2])
def test_gradient_of_cross_self_and_multi_head(lead, rng, check_backward) -> None:
    x, y, Wq, Wk, Wv = normal(rng, (*lead, 2, 3), (*lead, 4, 5), (3, 4), (5, 4), (5, 4))
    check_backward(f.cross_attention_forward, f.cross_attention_backward, x, y, Wq, Wk, Wv)
    (Wo,) = normal(rng, (4, 3))
    check_backward(
        lambda *a: f.multi_head_attention_forward(*a, heads=2), f.multi_head_attention_backward, x, y, Wq, Wk, Wv, Wo
    )
    Ws = normal(rng, (3, 2), (3, 2), (3, 4))
    mask = f.causal_mask(2)
    check_backward(lambda *a: f.self_attention_forward(*a, mask=mask), f.self_attention_backward, x, *Ws)


@pytest.mark.parametrize("masked", [False, True])
def test_torch_agrees_on_attention(masked, rng) -> None:
    arrays = normal(rng, (2, 5, 4), (2, 5, 4), (2, 5, 3))
    mask = f.causal_mask(5) if masked else None
    out, cache = f.attention_forward(*arrays, mask)
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    theirs = functional.scaled_dot_product_attention(*tensors, is_causal=masked)
    np.testing.assert_allclose(out, theirs.detach(), atol=1e-12)
    dout = rng.standard_normal(out.shape)
    theirs.backward(torch.tensor(dout))
    for ours, t in zip(f.attention_backward(dout, cache), tensors, strict=True):
        np.testing.assert_allclose(ours, t.grad, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_torch_agrees_on_multi_head(masked, rng) -> None:
    N, M, T, D, heads = 2, 4, 4, 6, 3
    x, y, Wq, Wk, Wv, Wo = normal(rng, (N, M, D), (N, T, D), (D, D), (D, D), (D, D), (D, D))
    mask = f.causal_mask(M) if masked else None
    out, cache = f.multi_head_attention_forward(x, y, Wq, Wk, Wv, Wo, heads, mask)
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, y, Wq, Wk, Wv, Wo)]
    tx, ty, tq, tk, tv, to = tensors
    theirs, _ = functional.multi_head_attention_forward(
        tx.transpose(0, 1),
        ty.transpose(0, 1),
        ty.transpose(0, 1),
        D,
        heads,
        torch.cat([tq.T, tk.T, tv.T]),
        None,
        None,
        None,
        False,
        0.0,
        to.T,
        None,
        attn_mask=None if mask is None else torch.tensor(~mask),
        need_weights=False,
    )
    theirs = theirs.transpose(0, 1)
    np.testing.assert_allclose(out, theirs.detach(), atol=1e-12)
    dout = rng.standard_normal(out.shape)
    theirs.backward(torch.tensor(dout))
    for ours, t in zip(f.multi_head_attention_backward(dout, cache), tensors, strict=True):
        np.testing.assert_allclose(ours, t.grad, atol=1e-12)


def test_scores_by_hand() -> None:
    q, k = np.array([[1.0, 2.0]]), np.array([[3.0, -1.0], [0.0, 2.0]])
    np.testing.assert_allclose(f.dot_scores_forward(q, k)[0], [[1.0, 4.0]])
    np.testing.assert_allclose(f.scaled_scores_forward(q, k)[0], [[2**-0.5, 4 * 2**-0.5]])
    W = np.array([[1.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(f.bilinear_scores_forward(q, k, W)[0], [[3 * 3 - 2, 4.0]])
    eye = np.eye(2)
    expected = np.tanh([[4.0, 1.0], [1.0, 4.0]]) @ [1.0, -2.0]
    np.testing.assert_allclose(f.additive_scores_forward(q, k, eye, eye, np.array([1.0, -2.0]))[0], [expected])


def test_linear_attention_is_one_bilinear_matrix(rng) -> None:
    q, k, Wq, Wk = normal(rng, (3, 4), (5, 2), (4, 6), (2, 6))
    both = f.dot_scores_forward(q @ Wq, k @ Wk)[0]
    np.testing.assert_allclose(f.bilinear_scores_forward(q, k, Wq @ Wk.T)[0], both, atol=1e-12)


def test_self_attention_worked_at_three_by_four() -> None:
    x = np.array([[1.0, 0, 1, 0], [0, 2.0, 0, 2.0], [1, 1, 1, 1]])
    Wq, Wk = np.eye(4), 2 * np.eye(4)
    out, _ = f.self_attention_forward(x, Wq, Wk, 3 * np.eye(4))
    e = np.array([[2.0, 0, 2], [0, 8, 4], [2, 4, 4]])  # x (2 x)^T / sqrt(4)
    a = np.exp(e) / np.exp(e).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(out, a @ (3 * x), atol=1e-12)
    np.testing.assert_allclose(out[0].round(4), [2.8099, 1.7852, 2.8099, 1.7852])


def test_self_attention_knows_no_order(rng) -> None:
    x, Wq, Wk, Wv = normal(rng, (5, 4), (4, 3), (4, 3), (4, 2))
    order = rng.permutation(5)
    plain = f.self_attention_forward(x, Wq, Wk, Wv)[0]
    assert np.abs(plain - plain[order]).max() > 0.1
    np.testing.assert_allclose(f.self_attention_forward(x[order], Wq, Wk, Wv)[0], plain[order], atol=1e-12)


def test_cross_attention_by_hand() -> None:
    x, y = np.array([[2.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    Wk, Wv = np.array([[0.0], [0.5 * np.log(3)]]), np.array([[10.0], [20.0]])
    out, _ = f.cross_attention_forward(x, y, np.eye(1), Wk, Wv)  # scores log 3 and 0: three quarters and one quarter
    np.testing.assert_allclose(out, [[0.75 * 20 + 0.25 * 10]])


def test_nothing_of_the_future_is_seen(rng) -> None:
    x, Wq, Wk, Wv = normal(rng, (5, 4), (4, 3), (4, 3), (4, 2))
    mask = f.causal_mask(5)
    out, cache = f.self_attention_forward(x, Wq, Wk, Wv, mask)
    changed = x.copy()
    changed[3:] += 100
    np.testing.assert_array_equal(f.self_attention_forward(changed, Wq, Wk, Wv, mask)[0][:3], out[:3])
    np.testing.assert_allclose(out[0], x[0] @ Wv)
    dout = np.zeros(out.shape)
    dout[2] = 1.0
    assert np.all(f.self_attention_backward(dout, cache)[0][3:] == 0)


def test_a_mask_of_each_sequence_and_a_full_one(rng) -> None:
    x, y, Wq, Wk, Wv, Wo = normal(rng, (2, 3, 4), (2, 3, 4), (4, 4), (4, 4), (4, 4), (4, 4))
    masks = np.stack([f.causal_mask(3), np.ones((3, 3), dtype=bool)])
    both = f.multi_head_attention_forward(x, y, Wq, Wk, Wv, Wo, 2, masks)[0]
    for n in range(2):
        one = f.multi_head_attention_forward(x[n], y[n], Wq, Wk, Wv, Wo, 2, masks[n])[0]
        np.testing.assert_allclose(both[n], one, atol=1e-12)


def test_large_scores_do_not_overflow() -> None:
    q = np.full((1, 4), 1e3)
    out, cache = f.attention_forward(q, np.stack([q[0], -q[0]]), np.array([[1.0], [2.0]]))
    np.testing.assert_allclose(out, [[1.0]])
    assert all(np.isfinite(d).all() for d in f.attention_backward(np.ones((1, 1)), cache))


def test_sixty_four_columns_for_each_of_eight_heads(rng) -> None:
    x, Wq, Wk, Wv = normal(rng, (3, 512), (512, 512), (512, 512), (512, 512))
    out = f.multi_head_attention_forward(x, x, Wq / 512, Wk / 512, Wv, np.eye(512), heads=8)[0]
    for head in range(8):
        at = slice(64 * head, 64 * head + 64)
        alone = f.self_attention_forward(x, Wq[:, at] / 512, Wk[:, at] / 512, Wv[:, at])[0]
        np.testing.assert_allclose(out[:, at], alone, atol=1e-10)
