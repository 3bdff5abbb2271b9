"""Batch norms folded into the layers before them: the same numbers, and only where nothing else can be meant."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from chainrule import formulas as f
from chainrule.models import MODELS
from chainrule.nn import fold_batch_norms

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def used(model: nn.Module, seed: int = 0) -> nn.Module:
    """As after training: averages, scales and shifts that are neither 0 nor 1."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, NORMS):
            with torch.no_grad():
                if module.affine:
                    module.weight.uniform_(-1.5, 1.5, generator=generator)
                    module.bias.normal_(generator=generator)
                if module.running_mean is not None:
                    module.running_mean.normal_(generator=generator)
                    module.running_var.uniform_(0.3, 3.0, generator=generator)
    return model.eval()


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, NORMS) for module in model.modules())


def same(folded: nn.Module, model: nn.Module, x: Tensor, tolerance: float = 1e-5) -> None:
    with torch.no_grad():
        wanted, got = model(x), folded(x)
        assert torch.equal(folded(x), got)
    room = tolerance * float(wanted.abs().max())
    torch.testing.assert_close(got, wanted, rtol=tolerance, atol=room)


class Net(nn.Module):
    """A convolution and a norm, and a way of one's own to use them."""

    def __init__(self, forward: Callable[[Any, Tensor], Tensor], **modules: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm, self.how = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.how(self, x)


X = torch.randn(3, 2, 5, 6, generator=torch.Generator().manual_seed(5))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    dims=st.integers(1, 3),
    groups=st.sampled_from([1, 2]),
    bias=st.booleans(),
    affine=st.booleans(),
    stride=st.integers(1, 2),
    padding_mode=st.sampled_from(["zeros", "reflect", "circular"]),
    double=st.booleans(),
)
def test_every_kind_of_convolution(
    dims: int, groups: int, bias: bool, affine: bool, stride: int, padding_mode: str, double: bool
) -> None:
    conv = [nn.Conv1d, nn.Conv2d, nn.Conv3d][dims - 1]
    options: dict[str, Any] = {"groups": groups, "bias": bias, "stride": stride, "padding_mode": padding_mode}
    layers = nn.Sequential(conv(4, 6, 3, padding=1, **options), NORMS[dims - 1](6, affine=affine), nn.ReLU())
    model = used(layers.double() if double else layers)
    folded = fold_batch_norms(model)
    assert norms(folded) == 0
    x = torch.randn(2, 4, *(5, 6, 4)[:dims], generator=torch.Generator().manual_seed(1))
    same(folded, model, x.double() if double else x, 1e-12 if double else 1e-5)


def test_it_is_the_formula_of_a_norm_at_test_time() -> None:
    model = used(nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.BatchNorm1d(4)).double())
    _, layer, norm = model
    x = torch.randn(5, 6, dtype=torch.float64)
    numbers = [p.detach().numpy() for p in (norm.weight, norm.bias, norm.running_mean, norm.running_var)]
    before = x.numpy() @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    wanted, _ = f.batch_norm_test(before, *numbers, eps=norm.eps)
    folded = fold_batch_norms(model)
    assert norms(folded) == 0
    np.testing.assert_allclose(folded(x).detach().numpy(), wanted, rtol=1e-12, atol=1e-12)


def test_the_network_is_left_as_it_is_and_names_stay() -> None:
    model = used(nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 1)))
    before, kept = copy.deepcopy(model.state_dict()), [name for name, _ in model.named_modules()]
    folded = fold_batch_norms(model)
    assert [name for name, _ in folded.named_modules()] == kept
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert norms(model) == 1
    assert not any(p is q for p in folded.parameters() for q in model.parameters())
    assert not folded.training


def test_channels_last_stays_so() -> None:
    model = used(nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8))).to(memory_format=torch.channels_last)
    assert fold_batch_norms(model)[0].weight.is_contiguous(memory_format=torch.channels_last)


CASES: list[tuple[str, tuple[int, ...], dict[str, Any], int]] = [
    ("linear", (1, 8, 8), {}, 0),
    ("mlp", (1, 8, 8), {"hidden": [20, 10], "batch_norm": True}, 0),
    ("layers", (3, 16, 16), {"spec": "CONV3-8 | BN | RELU | RES[CONV3-8 | BN] | RELU | FC-9 | BN | RELU | FC-10"}, 0),
    ("lenet", (1, 28, 28), {}, 0),
    ("cnn", (1, 12, 12), {"widths": [8, 12]}, 0),
    ("vgg", (3, 32, 32), {"depth": 11, "batch_norm": True, "head": "linear"}, 0),
    ("resnet", (3, 32, 32), {"depth": 18}, 0),
    ("resnet", (3, 33, 32), {"depth": 50}, 0),
    ("resnet_cifar", (3, 8, 8), {"depth": 8}, 0),
    ("resnet_cifar", (3, 8, 8), {"depth": 8, "shortcut": "none"}, 0),
    ("resnet_cifar", (3, 8, 8), {"depth": 8, "shortcut": "project", "drop_path": 0.1}, 0),
    ("alexnet", (3, 67, 67), {"head": "linear"}, 0),
    ("squeezenet", (3, 32, 32), {}, 0),
    ("densenet", (3, 32, 32), {}, 62),  # a norm before its convolution cannot be folded; those between two can
    ("densenet_cifar", (3, 8, 8), {"depth": 10}, 6),
    ("inception", (3, 16, 16), {"width": 0.125}, 1),  # that of the auxiliary head, which does not run
    ("mobilenet", (3, 32, 32), {"width": 0.25}, 0),
    ("shared_trunk", (3, 16, 16), {"trunk": "CONV3-8 | BN | RELU | POOL2", "heads": 2}, 1),  # heads in a loop
    ("vit", (3, 16, 16), {"width": 16, "num_heads": 2, "layers": 1}, 0),
]


def test_every_registered_network_has_a_case() -> None:
    assert {name for name, *_ in CASES} == {name for name in MODELS if not MODELS.entry(name).card.get("fitted")}


@pytest.mark.parametrize(("name", "shape", "options", "left"), CASES, ids=lambda value: str(value)[:24])
def test_registered_networks(name: str, shape: Any, options: dict[str, Any], left: int) -> None:
    torch.manual_seed(0)
    model = used(MODELS.resolve(name)(shape, 10, **options))
    folded = fold_batch_norms(model)
    assert norms(folded) == left
    x = torch.randn(3, *shape)
    same(folded, model, x)
    same(folded, model, x.to(memory_format=torch.channels_last), 1e-4)


def looks_between(net: Any, x: Tensor) -> Tensor:
    between = net.conv(x)
    return net.norm(between) + between


def changes_in_place(net: Any, x: Tensor) -> Tensor:
    between = net.conv(x)
    between.view(-1).add_(1)
    return net.norm(between)


def pads_after_shapes(net: Any, x: Tensor) -> Tensor:
    between = net.conv(x)
    return net.norm(between).reshape(between.shape[0], -1)


def functional_norm(net: Any, x: Tensor) -> Tensor:
    norm = net.norm
    return functional.batch_norm(net.conv(x), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


KEPT: dict[str, Callable[[], nn.Module]] = {
    "something between": lambda: Net(lambda net, x: net.norm(net.conv(x).relu())),
    "two readers": lambda: Net(looks_between),
    "changed in place": lambda: Net(changes_in_place),
    "its shape is read": lambda: Net(pads_after_shapes),
    "the norm serves twice": lambda: Net(lambda net, x: net.norm(net.conv(x)) + net.norm(x.repeat(1, 2, 1, 1))),
    "the convolution serves twice": lambda: Net(lambda net, x: net.norm(net.conv(x)) + net.conv(x + 1)),
    "its weights are read": lambda: Net(lambda net, x: net.norm(net.conv(x)) + net.conv.weight.sum()),
    "the norm's weights are read": lambda: Net(lambda net, x: net.norm(net.conv(x)) * net.norm.weight.sum()),
    "a functional convolution": lambda: Net(lambda net, x: net.norm(functional.conv2d(x, net.conv.weight))),
    "a functional norm": lambda: Net(functional_norm),
    "a norm before": lambda: nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 4, 3)),
    "transposed": lambda: nn.Sequential(nn.ConvTranspose2d(2, 4, 3), nn.BatchNorm2d(4)),
    "statistics of the batch": lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)),
    "weights with a parametrization": lambda: nn.Sequential(
        parametrizations.weight_norm(nn.Conv2d(2, 4, 3)), nn.BatchNorm2d(4)
    ),
    "a class of one's own": lambda: nn.Sequential(Doubled(2, 4, 3), nn.BatchNorm2d(4)),
    "rows that are sequences": lambda: nn.Sequential(nn.Flatten(2), nn.Linear(30, 2), nn.BatchNorm1d(2)),
}


class Doubled(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


@pytest.mark.parametrize("name", KEPT)
def test_what_could_mean_something_else_is_kept(name: str, caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(1)
    model = used(KEPT[name]())
    assert fold_batch_norms(model) is model
    assert caplog.text == ""


def on_its_input(net: Any, x: Tensor) -> Tensor:
    return net.norm(net.conv(x)) if x.sum() > 0 else net.conv(x)


def by_another_name(net: Any, x: Tensor) -> Tensor:
    return net.held[0](net.conv(x))


def test_what_cannot_be_followed_stays_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    held = Net(by_another_name)
    held.held = [held.norm]  # a plain list, which holds the norm however the network is changed
    hooked = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4))
    hooked[0].register_forward_hook(lambda module, given, output: output + 1)
    for model, reason in [
        (used(Net(on_its_input)), "cannot be followed symbolically (TraceError)"),
        (used(held), "cannot be followed symbolically (NameError)"),
        (used(hooked), "hooks"),
        (used(nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4))).train(), "training mode"),
    ]:
        caplog.clear()
        assert fold_batch_norms(model) is model
        assert reason in caplog.text
        assert caplog.records[0].levelno == logging.WARNING
        assert "\n" not in caplog.records[0].getMessage()


def test_shared_weights_are_no_longer_shared_where_one_is_folded() -> None:
    first, second = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
    second.weight = first.weight
    model = used(nn.Sequential(first, nn.BatchNorm2d(2), second))
    folded = fold_batch_norms(model)
    assert norms(folded) == 0
    same(folded, model, X)
    assert torch.equal(folded[2].weight, second.weight)


def test_a_norm_under_two_names_goes_from_both() -> None:
    net = Net(lambda net, x: net.norm(net.conv(x)))
    net.alias = net.norm
    folded = fold_batch_norms(used(net))
    assert norms(folded) == 0
    same(folded, net, X)


def test_weights_that_would_overflow_are_kept() -> None:
    model = used(nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)))
    with torch.no_grad():
        model[0].weight.fill_(1e38)
        model[1].running_var.fill_(1e-6)
        model[1].weight.fill_(3.0)
    assert fold_batch_norms(model) is model
