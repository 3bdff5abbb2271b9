"""Local response normalization: by a loop, torch, finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chainrule import formulas as f


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 2, 2), (1, 8, 1, 2)])
@pytest.mark.parametrize("n", [1, 3, 5])
def test_gradient(shape: tuple[int, ...], n: int, rng, check_backward) -> None:
    x = 3 * rng.standard_normal(shape)
    check_backward(
        lambda v: f.local_response_norm_forward(v, n, k=1.5, alpha=0.2, beta=0.6), f.local_response_norm_backward, x
    )
    check_backward(f.local_response_norm_forward, f.local_response_norm_backward, 50 * x)


def test_by_the_papers_loop(rng) -> None:
    x, n, k, alpha, beta = 20 * rng.standard_normal((2, 7, 3, 2)), 5, 2.0, 1e-4, 0.75
    by_hand = np.zeros_like(x)
    for i in range(7):
        s = sum(x[:, j] ** 2 for j in range(max(0, i - n // 2), min(7 - 1, i + n // 2) + 1))
        by_hand[:, i] = x[:, i] / (k + alpha * s) ** beta
    np.testing.assert_allclose(f.local_response_norm_forward(x)[0], by_hand, rtol=1e-13)


@pytest.mark.parametrize("n", [1, 3, 5, 9])
def test_torch_agrees_with_n_alpha(n: int, rng) -> None:
    x, dout = 10 * rng.standard_normal((2, 6, 3, 3)), rng.standard_normal((2, 6, 3, 3))
    t = torch.tensor(x, requires_grad=True)
    y = torch.nn.functional.local_response_norm(t, n, alpha=n * 1e-2, beta=0.75, k=2.0)
    y.backward(torch.tensor(dout))
    out, cache = f.local_response_norm_forward(x, n, alpha=1e-2)
    np.testing.assert_allclose(out, y.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(f.local_response_norm_backward(dout, cache), t.grad.numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("value", [0.0, 1e4, -1e4, 1e-300])
def test_extremes_are_finite(value: float) -> None:
    out, cache = f.local_response_norm_forward(np.full((1, 6, 1, 1), value))
    assert np.isfinite(out).all()
    assert np.isfinite(f.local_response_norm_backward(np.ones((1, 6, 1, 1)), cache)).all()
