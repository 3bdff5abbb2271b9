"""Stochastic depth."""

from __future__ import annotations

import pytest
import torch

from chainrule.nn import DropPath, build, drop_path


def test_whole_examples_are_dropped_and_the_rest_is_scaled() -> None:
    x = torch.randn(4000, 2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    out = drop_path(x, 0.3, generator=torch.Generator().manual_seed(1))
    kept = (out != 0).flatten(1).any(1)
    torch.testing.assert_close(out[kept], x[kept] / 0.7, rtol=1e-6, atol=0)
    assert out.dtype == x.dtype
    share = 1 - kept.double().mean().item()
    assert abs(share - 0.3) < 4 * (0.3 * 0.7 / 4000) ** 0.5
    assert drop_path(
        torch.ones(4000, 1), 0.3, generator=torch.Generator().manual_seed(2)
    ).mean().item() == pytest.approx(1, abs=0.04)


def test_the_generator_decides() -> None:
    x = torch.ones(50, 4)
    draws = [drop_path(x, 0.5, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_nothing_happens_at_test_or_without_probability() -> None:
    x = torch.randn(5, 3)
    assert torch.equal(DropPath(0.9).eval()(x), x)
    assert torch.equal(DropPath(0.0)(x), x)


def test_in_a_residual_block_dropped_examples_keep_their_shortcut() -> None:
    torch.manual_seed(0)
    net = build("RES[FC-4 | DROPPATH0.5]", shape=(4,))
    x = torch.randn(200, 4)
    out = net(x)
    dropped = (out == x).all(dim=1)
    assert 60 < dropped.sum().item() < 140
    body = net.eval()(x) - x
    torch.testing.assert_close(out[~dropped], (x + 2 * body)[~dropped])
