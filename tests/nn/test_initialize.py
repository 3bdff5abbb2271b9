"""Initialization: what it touches, what it leaves, and where the draws come from (distributions: tests/contracts)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

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


MAKERS: list[Callable[[], nn.Module]] = [
    lambda: nn.Linear(7, 5),
    lambda: nn.Linear(7, 5, bias=False),
    lambda: nn.Conv1d(4, 6, 5, groups=2),
    lambda: nn.Conv2d(3, 8, (3, 2), stride=2),
    lambda: nn.Conv3d(2, 4, (1, 2, 3), bias=False),
    lambda: nn.ConvTranspose1d(4, 6, 3, groups=2),
    lambda: nn.ConvTranspose2d(6, 4, 4, stride=2, groups=2),
    lambda: nn.ConvTranspose3d(2, 3, 2),
]


@pytest.mark.parametrize("make", MAKERS)
def test_default_is_what_torch_draws_from_its_own_generator(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(3)
    wanted = make().state_dict()
    layer = make()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(7.0)
    torch.manual_seed(3)
    found = initialize(layer, "default").state_dict()
    for name, value in wanted.items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize("gain", [1.0, 2.0])
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(32, 64, 9, groups=4, bias=False),
        nn.Conv3d(16, 32, (1, 2, 3), bias=False),
        nn.ConvTranspose1d(48, 32, 6, stride=3, groups=2, bias=False),
        nn.ConvTranspose3d(16, 24, (2, 3, 2), stride=(2, 1, 1), bias=False),
    ],
)
def test_the_variance_of_what_a_layer_gives_is_the_gain(layer: nn.Module, gain: float) -> None:
    generator = torch.Generator().manual_seed(0)
    initialize(layer, "xavier" if gain == 1 else "he", generator=generator)
    size = 40 if isinstance(layer, (nn.Conv1d, nn.ConvTranspose1d)) else 9
    x = torch.randn(6, layer.in_channels, *[size] * (layer.weight.ndim - 2), generator=generator)  # type: ignore
    out = layer(x).detach()
    inner = out[(..., *[slice(6, -6) if size == 40 else slice(2, -2)] * (out.ndim - 2))]
    assert float(inner.square().mean()) == pytest.approx(gain, rel=0.15)
    assert float(layer.weight.detach().var()) * fan_in(layer) == pytest.approx(gain, rel=0.1)  # type: ignore


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(3, 8, 3), nn.Conv2d(12, 4, 1), nn.Conv1d(8, 6, 3, groups=2), nn.ConvTranspose2d(5, 4, 3)]
)
def test_orthogonal_rows_or_columns_of_filters(layer: nn.Module) -> None:
    weight = initialize(layer, "orthogonal").weight.detach().flatten(1)  # type: ignore
    few = min(weight.shape)
    gram = weight @ weight.T if len(weight) == few else weight.T @ weight
    torch.testing.assert_close(gram, torch.eye(few), rtol=0, atol=1e-5)
    assert not layer.bias.any()  # type: ignore


@pytest.mark.parametrize(("outputs", "groups"), [(4, 1), (9, 1), (12, 4), (4, 2), (8, 4)])
def test_dirac_passes_the_first_channels_of_each_group_on(outputs: int, groups: int) -> None:
    layer = nn.Conv2d(4, outputs, 3, padding=1, groups=groups, bias=False)
    initialize(layer, "dirac", generator=torch.Generator().manual_seed(0))
    x = torch.randn(2, 4, 5, 5)
    out, per_group, inputs = layer(x).detach(), outputs // groups, 4 // groups
    for g in range(groups):
        passed = min(per_group, inputs)
        wanted = x[:, g * inputs : g * inputs + passed]
        assert torch.equal(out[:, g * per_group : g * per_group + passed], wanted)
    others = [k for k in range(outputs) if k % per_group >= inputs]
    bound = 1 / math.sqrt(9 * inputs)
    for k in others:
        drawn = layer.weight[k].detach()
        assert float(drawn.abs().max()) <= bound
        assert drawn.unique().numel() == drawn.numel()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_value_for_every_bias(scheme: str) -> None:
    for bias in (0.0, 0.1, -2.0):
        net = initialize(network(), scheme, bias=bias)
        for place in (3, 6):
            layer = net[place]  # type: ignore[index]
            assert torch.equal(layer.bias, torch.full_like(layer.bias, bias))
        assert not net[1].bias.any()  # type: ignore[index]
    drawn = initialize(network(), scheme)[6].bias  # type: ignore[index]
    assert bool(drawn.any()) == (scheme in ("default", "dirac"))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_layers_without_elements(scheme: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, when such a layer is made
        layers = [
            *(nn.Linear(*sizes) for sizes in ((0, 3), (3, 0), (0, 0))),
            nn.Conv2d(0, 3, 3),
            nn.Conv2d(3, 0, 3),
            nn.ConvTranspose2d(3, 0, 3),
        ]
    for layer in layers:
        assert initialize(layer, scheme) is layer
        assert not layer.bias.isnan().any()
    assert not layers[0].bias.any()  # no inputs: no bound to draw from


def test_norms_of_every_kind_start_anew() -> None:
    norms = [
        nn.BatchNorm1d(3),
        nn.BatchNorm3d(3, affine=False),
        nn.BatchNorm2d(3, track_running_stats=False),
        nn.SyncBatchNorm(3),
        nn.InstanceNorm1d(3),
        nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
        nn.InstanceNorm3d(3, affine=True),
        nn.GroupNorm(3, 3),
        nn.LayerNorm(3, elementwise_affine=False),
        nn.LayerNorm(3),
        nn.RMSNorm(3),
    ]
    for norm in norms:
        wanted = {name: value.clone() for name, value in norm.state_dict().items()}
        with torch.no_grad():
            for value in norm.state_dict().values():
                value.fill_(5)
        initialize(norm, "he")
        for name, value in norm.state_dict().items():
            assert torch.equal(value, wanted[name]), (norm, name)


def test_nothing_is_drawn_when_a_layer_is_refused() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.LazyConv2d(3, 1)))
    before = net[0].weight.detach().clone()  # type: ignore[union-attr]
    with pytest.raises(UsageError, match='layer "1.0" does not know its shape'):
        initialize(net, "he")
    assert torch.equal(net[0].weight, before)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match='layer "LazyLinear" does not know'):
        initialize(nn.LazyLinear(3), "he")


def test_gradients_are_asked_for_as_before() -> None:
    layer = nn.Linear(3, 2)
    layer.bias.requires_grad_(False)
    initialize(layer, "he")
    assert (layer.weight.requires_grad, layer.bias.requires_grad) == (True, False)
    assert layer.weight.is_leaf
    assert layer.weight.grad_fn is None
