"""Initialization: what it touches, what it leaves, and where the draws come from (distributions: tests/contracts)."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from chainrule.core.errors import UsageError
from chainrule.nn import fan_in, initialize

SCHEMES = ["gaussian", "xavier", "xavier_average", "he", "orthogonal", "dirac", "default"]


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 4, 2, stride=2, groups=2),
        nn.GroupNorm(2, 4),
        nn.Flatten(),
        nn.Linear(16, 3),
        nn.LayerNorm(3),
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_generator_decides_and_the_global_one_stays(scheme: str) -> None:
    one, two, other = (
        initialize(network(), scheme, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name
    assert not torch.equal(one[6].weight, other[6].weight)  # type: ignore[index]
    state = torch.get_rng_state()
    initialize(one, scheme, generator=torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), state)


def test_norms_start_anew() -> None:
    net = network()
    net(torch.randn(3, 2, 3, 3))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(7.0)
    initialize(net, "he", bias=0.1)
    norm = net[1]  # type: ignore[index]
    assert torch.equal(norm.running_mean, torch.zeros(6))
    assert torch.equal(norm.running_var, torch.ones(6))
    assert int(norm.num_batches_tracked) == 0
    for place in (1, 4, 7):
        layer = net[place]  # type: ignore[index]
        assert torch.equal(layer.weight, torch.ones_like(layer.weight))
        assert torch.equal(layer.bias, torch.zeros_like(layer.bias))
    assert torch.equal(net[6].bias, torch.full((3,), 0.1))  # type: ignore[index]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_odd_layers(scheme: str) -> None:
    for layer in (
        nn.Linear(1, 1),
        nn.Conv1d(4, 6, 5, groups=2),
        nn.Conv3d(2, 3, (1, 2, 3), bias=False),
        nn.ConvTranspose1d(3, 5, 4, stride=3),
        nn.Conv2d(3, 2, 1),
        nn.Conv2d(8, 8, 3, groups=8),
    ):
        initialize(layer, scheme, generator=torch.Generator().manual_seed(0))
        assert torch.isfinite(layer.weight).all()


def test_layers_of_other_kinds_are_left() -> None:
    words = nn.Embedding(5, 3)
    before = words.weight.detach().clone()
    assert initialize(words, "he") is words
    assert torch.equal(words.weight, before)


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match='no initialization "xaver".*did you mean "xavier"'):
        initialize(nn.Linear(2, 2), "xaver")
    with pytest.raises(UsageError, match='layer "0" does not know its shape yet.*pass one batch'):
        initialize(nn.Sequential(nn.LazyLinear(3)), "he")


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(7, 3),
        nn.Conv2d(8, 6, 3, groups=2),
        nn.ConvTranspose2d(8, 6, 4, stride=2, groups=2),
        nn.Conv1d(2, 3, 5),
    ],
)
def test_fan_in_is_how_many_inputs_an_output_adds_up(layer: nn.Module) -> None:
    with torch.no_grad():
        layer.weight.fill_(1.0)  # type: ignore[operator]
        layer.bias.zero_()  # type: ignore[operator]
    shape = {nn.Linear: (1, 7), nn.Conv1d: (1, 2, 30)}.get(type(layer), (1, 8, 30, 30))
    out = layer(torch.ones(shape)).detach()
    inner = out[..., 8:-8, 8:-8] if out.ndim == 4 else out[..., 4:-4] if out.ndim == 3 else out
    assert float(inner.mean()) == pytest.approx(fan_in(layer))
