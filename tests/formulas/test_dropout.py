"""Inverted dropout."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chainrule import formulas as f
from chainrule.core.errors import UsageError
from chainrule.nn import build


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 0.9])
def test_share_scale_and_expectation(p: float) -> None:
    x = np.ones((200, 500))
    out, _ = f.dropout_forward(x, p, np.random.default_rng(1))
    assert abs((out == 0).mean() - p) < 5 * np.sqrt(p * (1 - p) / x.size) + 1e-12
    np.testing.assert_allclose(out[out != 0], 1 / (1 - p), rtol=1e-15)
    assert abs(out.mean() - 1) < 5 * np.sqrt(p / (1 - p) / x.size) + 1e-12


@pytest.mark.parametrize("shape", [(1,), (4, 3), (2, 2, 3, 1)])
@pytest.mark.parametrize("p", [0.0, 0.3, 0.7])
def test_gradient(p: float, shape: tuple[int, ...], rng, check_backward) -> None:
    check_backward(
        lambda x: f.dropout_forward(x, p, np.random.default_rng(2)), f.dropout_backward, rng.standard_normal(shape)
    )


def test_the_gradient_flows_where_the_values_did(rng) -> None:
    x = 1 + rng.random((10, 10))
    out, cache = f.dropout_forward(x, 0.4, rng)
    dx = f.dropout_backward(np.ones((10, 10)), cache)
    np.testing.assert_allclose(dx * x, out, rtol=1e-14)
    assert 20 < (dx == 0).sum() < 60


def test_no_dropping_changes_nothing(rng) -> None:
    x = rng.standard_normal((3, 4))
    np.testing.assert_array_equal(f.dropout_forward(x, 0.0, rng)[0], x)


@pytest.mark.parametrize("p", [1.0, -0.1, 1.5, float("nan")])
def test_what_is_no_probability_below_one_is_refused(p: float, rng) -> None:
    with pytest.raises(UsageError, match="probability of dropping: expected 0 <= p < 1, got"):
        f.dropout_forward(np.ones(3), p, rng)


@pytest.mark.parametrize("p", [0.25, 0.5])
def test_the_layer_of_the_product_drops_alike(p: float) -> None:
    layer = build(f"DROPOUT{p}", shape=(2000,)).double()
    x = torch.linspace(1, 2, 2000, dtype=torch.float64).repeat(20, 1).requires_grad_()
    torch.manual_seed(3)
    out = layer.train()(x)
    out.sum().backward()
    mask = x.grad.numpy()  # 0, or 1/(1 - p)
    assert abs((mask == 0).mean() - p) < 5 * np.sqrt(p * (1 - p) / mask.size)
    np.testing.assert_allclose(out.detach().numpy(), x.detach().numpy() * mask, rtol=1e-14)
    ours = f.dropout_forward(np.ones(1000), p, np.random.default_rng(4))[0]
    np.testing.assert_allclose(np.unique(mask), np.unique(ours), rtol=1e-14)
    assert torch.equal(layer.eval()(x), x)
