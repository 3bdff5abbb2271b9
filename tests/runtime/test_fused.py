"""Fused convolutions: the same numbers, and only where nothing else can be meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from chainrule.models import MODELS
from chainrule.nn import Residual, fold_batch_norms
from chainrule.runtime.fused import FusedConv2d, fused

X = torch.randn(3, 4, 9, 11, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Two convolutions, and a way of one's own to use them."""

    def __init__(self, forward: Callable[[Any, Tensor], Tensor], **parts: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv, self.other, self.how = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1), forward
        self.relu, self.inplace = nn.ReLU(), nn.ReLU(inplace=True)
        for name, part in parts.items():
            self.add_module(name, part)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.how(self, x)


def convolutions(model: nn.Module) -> tuple[int, int, int]:
    """How many are fused, how many of those rectify, and how many are left."""
    ours = [part for part in model.modules() if isinstance(part, FusedConv2d)]
    return len(ours), sum(part.relu is not None for part in ours), sum(type(p) is nn.Conv2d for p in model.modules())


def check(model: nn.Module, x: Tensor = X, *, counts: tuple[int, int, int] | None = None) -> nn.Module:
    """What is fused gives the same, again and again, for groups of other sizes and in both layouts."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.inference_mode():
        given_x = x.clone()
        quick = fused(model, x)
        assert quick is not None
        assert torch.equal(x, given_x)
        for part in (x, x[:1], torch.cat([x, x]), x.contiguous(memory_format=torch.channels_last)):
            wanted = model(part.clone())
            room = 1e-5 * float(wanted.abs().max())
            torch.testing.assert_close(quick(part.clone()), wanted, rtol=1e-5, atol=room)
        assert torch.equal(quick(x.clone()), quick(x.clone()))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    if counts is not None:
        assert convolutions(quick) == counts
    return quick


WAYS: dict[str, tuple[Callable[[Any, Tensor], Tensor], tuple[int, int, int]]] = {
    "module": (lambda net, x: net.relu(net.conv(x)), (1, 1, 0)),
    "in place": (lambda net, x: net.inplace(net.conv(x)), (1, 1, 0)),
    "function": (lambda net, x: functional.relu(net.conv(x)), (1, 1, 0)),
    "method": (lambda net, x: net.conv(x).relu(), (1, 1, 0)),
    "method in place": (lambda net, x: net.conv(x).relu_(), (1, 1, 0)),
    "alone": (lambda net, x: net.conv(x).tanh(), (1, 0, 0)),
    "read twice": (lambda net, x: net.relu(y := net.conv(x)) + y, (1, 0, 0)),
    "sum": (lambda net, x: net.conv(x) + x, (1, 0, 0)),
    "sum and relu": (lambda net, x: net.relu(x + net.conv(x)), (1, 1, 0)),
    "torch.add": (lambda net, x: torch.add(net.conv(x), x).relu(), (1, 1, 0)),
    "torch.add with a factor": (lambda net, x: torch.add(net.conv(x), x, alpha=0.5).relu(), (1, 0, 0)),
    "two convolutions": (lambda net, x: net.relu(net.conv(x) + net.other(x)), (2, 1, 0)),
    "three": (lambda net, x: net.relu(net.conv(x) + net.other(x) + x), (2, 0, 0)),
    "twice itself": (lambda net, x: (y := net.conv(x)) + y, (1, 0, 0)),
    "a number": (lambda net, x: net.relu(net.conv(x) + 1.5), (1, 0, 0)),
    "broadcast": (lambda net, x: net.relu(net.conv(x) + x.mean((2, 3), keepdim=True)), (1, 0, 0)),
    "smaller": (lambda net, x: net.relu(net.conv(x.mean((2, 3), keepdim=True)) + x), (1, 0, 0)),
    "called twice": (lambda net, x: net.relu(net.conv(net.relu(net.conv(x)))), (2, 2, 0)),
    "relu first": (lambda net, x: net.conv(net.relu(x)), (1, 0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_what_is_fused(way: str) -> None:
    forward, counts = WAYS[way]
    quick = check(Net(forward), counts=counts)
    left = [part for part in quick.modules() if isinstance(part, nn.ReLU)]
    assert len(left) <= 1


def _changed_input(net: Any, x: Tensor) -> Tensor:
    y = net.conv(x)
    net.inplace(x)  # the sum comes after this, the convolution read x before it
    return net.relu(y + x)


def _added_onto(net: Any, x: Tensor) -> Tensor:
    y = net.conv(x)
    y += x
    return net.relu(y)


@pytest.mark.parametrize(
    ("forward", "counts"),
    [(_changed_input, (1, 0, 0)), (_added_onto, (1, 1, 0))],
)
def test_changes_in_place_keep_their_order(forward: Any, counts: tuple[int, int, int]) -> None:
    check(Net(forward), counts=counts)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data())
def test_any_convolution(data: st.DataObject) -> None:
    groups = data.draw(st.sampled_from([1, 2, 4]))
    channels, filters = (groups * data.draw(st.integers(1, 3)) for _ in range(2))
    kernel, stride, pad, dilation = (
        tuple(data.draw(st.integers(low, high)) for _ in range(2)) for low, high in ((1, 3), (1, 3), (0, 2), (1, 2))
    )
    torch.manual_seed(0)
    bias = data.draw(st.booleans())
    conv = nn.Conv2d(channels, filters, kernel, stride, pad, dilation, groups, bias=bias)
    x = torch.randn(data.draw(st.integers(1, 3)), channels, *(data.draw(st.integers(5, 12)) for _ in range(2)))
    model = nn.Sequential(conv, nn.Identity(), nn.ReLU()).eval()
    check(model, x, counts=(1, 1, 0))


class Scaled(nn.Conv2d):
    """What derives from a convolution may compute something else."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 3, 3, padding="same"),
        nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 3, 3).double(),
        nn.ConvTranspose2d(4, 3, 3),
        Scaled(4, 3, 3),
        nn.Flatten(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_is_left_alone(layer: nn.Module) -> None:
    x = X.double() if next(layer.parameters(), X).dtype == torch.float64 else X
    with torch.inference_mode():
        assert fused(nn.Sequential(layer, nn.ReLU()).eval(), x) is None


def test_networks_that_cannot_be_followed_or_are_watched() -> None:
    with torch.inference_mode():
        assert fused(Net(lambda net, x: net.conv(x) if x.sum() > 0 else x), X) is None
        assert fused(Net(lambda net, x: net.conv(x)).train(), X) is None
        watched = Net(lambda net, x: net.relu(net.conv(x)))
        watched.conv.register_forward_hook(lambda module, given, output: None)
        assert fused(watched, X) is None


def test_without_these_operations_nothing_is_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert fused(nn.Sequential(nn.Conv2d(4, 2, 1), nn.ReLU()).eval(), X) is None


def test_residual_blocks() -> None:
    torch.manual_seed(0)
    blocks = [
        nn.Sequential(
            Residual(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1)), shortcut), nn.ReLU()
        )
        for shortcut in (nn.Identity(), nn.Conv2d(4, 4, 1))
    ]
    check(nn.Sequential(*blocks).eval(), counts=(5, 4, 0))


CASES = {
    "alexnet": ((3, 67, 67), {"version": "torchvision"}),
    "vgg": ((3, 32, 32), {"depth": 11, "batch_norm": True, "head": "linear"}),
    "resnet": ((3, 32, 32), {"depth": 50}),
    "resnet_cifar": ((3, 16, 16), {"depth": 8}),
    "squeezenet": ((3, 48, 48), {}),
    "densenet_cifar": ((3, 16, 16), {"depth": 22, "growth": 4}),
    "inception": ((3, 32, 32), {"width": 0.125}),
    "mobilenet": ((3, 32, 32), {"width": 0.25, "stem_stride": 1}),
    "lenet": ((1, 28, 28), {}),
    "cnn": ((1, 28, 28), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_networks_of_the_table(name: str) -> None:
    shape, options = CASES[name]
    torch.manual_seed(0)
    model = fold_batch_norms(MODELS.resolve(name)(shape, 7, **options).eval())
    quick = check(model, torch.randn(2, *shape))
    assert convolutions(quick)[2] == 0
