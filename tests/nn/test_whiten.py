"""First filters that whiten: uncorrelated answers of equal variance, as the principal components have them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from chainrule import formulas as f
from chainrule.core.errors import UsageError
from chainrule.nn import whiten


def images(count: int = 40, channels: int = 1, side: int = 9) -> Tensor:
    """With neighbors that resemble each other, as in photographs."""
    noise = torch.randn(count, channels, side + 4, side + 4, generator=torch.Generator().manual_seed(channels))
    return nn.functional.avg_pool2d(noise, 3, stride=1)[:, :, :side, :side] * 3 + 0.5


def answers(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return conv(x).transpose(0, 1).flatten(1).detach()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("channels", "size"), [(1, 2), (1, 3), (3, 2)])
def test_answers_are_uncorrelated_and_vary_alike(channels: int, size: int, stride: int) -> None:
    x, directions = images(channels=channels).double(), channels * size * size
    conv = nn.Conv2d(channels, 2 * directions, size, stride=stride, bias=False, dtype=torch.float64)
    whiten(conv, x, eps=0.0)
    torch.testing.assert_close(
        torch.cov(answers(conv, x))[:directions, :directions],
        torch.eye(directions, dtype=torch.float64),
        rtol=0,
        atol=1e-8,
    )
    assert torch.equal(conv.weight[:directions], -conv.weight[directions:])


@pytest.mark.parametrize("eps", [0.0, 1e-3])
def test_as_the_formula_and_principal_components(eps: float) -> None:
    x = images(count=60)
    conv = nn.Conv2d(1, 4, 3)
    whiten(conv, x, eps=eps)
    patches = nn.functional.unfold(x, 3).transpose(1, 2).flatten(0, 1).double().numpy()
    wanted = f.whitening_filters(patches, eps)
    np.testing.assert_allclose(conv.weight.detach().flatten(1).numpy(), wanted[:4], rtol=1e-4, atol=1e-5)
    assert conv.bias is not None
    assert not conv.bias.any()
    if eps == 0.0:
        found = PCA(whiten=True).fit(patches)
        theirs = found.components_ / np.sqrt(found.explained_variance_)[:, None]
        np.testing.assert_allclose(np.abs(wanted), np.abs(theirs), rtol=1e-6, atol=1e-8)


def test_filters_beyond_both_signs_stay() -> None:
    conv = nn.Conv2d(1, 10, 2)
    before = conv.weight.detach().clone()
    whiten(conv, images())
    assert torch.equal(conv.weight[8:], before[8:])
    assert not torch.equal(conv.weight[:8], before[:8])


def test_a_blank_edge_does_no_harm() -> None:
    x = images()
    x[..., 0] = 0.0
    x[:, :, 0] = 0.0
    conv = nn.Conv2d(1, 32, 4, stride=2)
    whiten(conv, x)
    assert torch.isfinite(conv.weight).all()
    flat = nn.Conv2d(1, 8, 2)
    whiten(flat, torch.ones(30, 1, 5, 5))
    assert torch.isfinite(flat.weight).all()


@pytest.mark.parametrize(
    ("conv", "x", "message"),
    [
        (nn.Conv2d(2, 4, 2, groups=2), torch.zeros(9, 2, 4, 4), "without groups"),
        (nn.Conv2d(2, 4, 2), torch.zeros(9, 1, 4, 4), r"expected images \(N, 2, H, W\)"),
        (nn.Conv2d(1, 4, 5), torch.zeros(9, 1, 4, 4), "smaller than the filters"),
        (nn.Conv2d(1, 4, 4), torch.zeros(3, 1, 4, 4), "too few patches: expected more than 16, got 3"),
    ],
)
def test_what_is_refused(conv: nn.Conv2d, x: Tensor, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        whiten(conv, x)
