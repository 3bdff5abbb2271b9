"""AlexNet, SqueezeNet, DenseNet, Inception and MobileNet against a computation from their weights alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from chainrule.models import MODELS, Heads

Weights = dict[str, Tensor]


def drawn(name: str, shape: tuple[int, ...], **options: Any) -> nn.Module:
    """A network in float64 whose norms and biases are none of 0 and 1, as after training."""
    torch.manual_seed(0)
    network = MODELS.resolve(name)(shape, 10, **options)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = 0.3 * torch.randn(module.num_features)
            module.running_var = 0.5 + torch.rand(module.num_features)
            nn.init.uniform_(module.weight, 0.3, 0.8)
            nn.init.normal_(module.bias, std=0.2)
        elif isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.1)
    return network.eval().double()


def agree(network: nn.Module, x: Tensor, wanted: Tensor) -> None:
    with torch.no_grad():
        found = network(x)
    assert isinstance(found, Tensor)
    assert found.std() > 1e-3, "scores that hardly differ would prove nothing"
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


def images(*shape: int) -> Tensor:
    return torch.randn(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def convolution(x: Tensor, weights: Weights, name: str, stride: int = 1, padding: int = 0) -> Tensor:
    """By windows and one product of matrices; the channels in groups where the filters see fewer."""
    weight = weights[f"{name}.weight"]
    k, c, high, wide = weight.shape
    columns = functional.unfold(x, (high, wide), padding=padding, stride=stride)  # (N, C h w, L)
    size = [(x.shape[2 + i] + 2 * padding - side) // stride + 1 for i, side in enumerate((high, wide))]
    groups = x.shape[1] // c
    parts = columns.reshape(len(x), groups, c * high * wide, -1)
    y = torch.einsum("ngdl,gkd->ngkl", parts, weight.reshape(groups, k // groups, c * high * wide))
    y = y.reshape(len(x), k, *size)
    return y + weights[f"{name}.bias"][:, None, None] if f"{name}.bias" in weights else y


def norm(x: Tensor, weights: Weights, name: str) -> Tensor:
    mean, variance, scale, shift = (
        weights[f"{name}.{key}"][:, None, None] for key in ("running_mean", "running_var", "weight", "bias")
    )
    return scale * (x - mean) / (variance + 1e-5).sqrt() + shift


def largest(x: Tensor, stride: int = 2, padding: int = 0, ceil: bool = False) -> Tensor:
    """The maximum over windows of 3x3."""
    rounded = math.ceil if ceil else math.floor
    high, wide = (rounded((size + 2 * padding - 3) / stride) for size in x.shape[2:])  # steps of the window
    beyond = [max(0, stride * steps + 3 - size - padding) for steps, size in zip((high, wide), x.shape[2:])]
    x = functional.pad(x, (padding, beyond[1], padding, beyond[0]), value=-math.inf)
    x = x[:, :, : stride * high + 3, : stride * wide + 3]
    return x.unfold(2, 3, stride).unfold(3, 3, stride).amax(dim=(-2, -1))


def affine(x: Tensor, weights: Weights, name: str) -> Tensor:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def response_norm(x: Tensor) -> Tensor:
    """Krizhevsky et al. 2012, section 3.3, channel by channel."""
    out = torch.empty_like(x)
    for i in range(x.shape[1]):
        near = x[:, max(0, i - 2) : i + 3]
        out[:, i] = x[:, i] / (2 + 1e-4 * near.square().sum(1)) ** 0.75
    return out


def averaged(x: Tensor, size: int) -> Tensor:
    """The mean over size x size cells, which overlap where the maps do not divide."""
    spans = [[(math.floor(i * n / size), math.ceil((i + 1) * n / size)) for i in range(size)] for n in x.shape[2:]]
    rows = [torch.stack([x[:, :, a:b, c:d].mean(dim=(2, 3)) for c, d in spans[1]], dim=-1) for a, b in spans[0]]
    return torch.stack(rows, dim=-2)


ALEXNETS = [
    ((3, 67, 67), {"version": "note"}),
    ((1, 83, 99), {"version": "note", "split": False}),
    ((2, 71, 64), {"version": "torchvision"}),
]


@pytest.mark.parametrize(("shape", "options"), ALEXNETS)
@pytest.mark.parametrize("head", ["original", "linear"])
def test_alexnet(shape: tuple[int, ...], options: dict[str, Any], head: str) -> None:
    if head == "original" and shape[0] != 2:
        shape = (shape[0], 131, 131)  # the last maps are 3x3 then, averaged to 6x6
    note = options["version"] == "note"
    network = drawn("alexnet", shape, head=head, **options)
    weights = dict(network.state_dict())
    groups = [m.groups for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert groups == ([1, 2, 1, 2, 2] if options == {"version": "note"} else [1] * 5)
    x = y = images(*shape)
    for number, index in enumerate((0, 4, 8, 10, 12) if note else (0, 3, 6, 8, 10)):
        stride, padding = (4, 0 if note else 2) if number == 0 else (1, 2 if number == 1 else 1)
        y = convolution(y, weights, f"features.{index}", stride, padding).clamp(min=0)
        if note and number < 2:
            y = response_norm(y)
        if number in (0, 1, 4):
            y = largest(y)
    if head == "original":
        y = averaged(y, 6).flatten(1)
        for index in (1, 4):
            y = affine(y, weights, f"classifier.{index}").clamp(min=0)
        agree(network, x, affine(y, weights, "classifier.6"))
    else:
        agree(network, x, affine(y.mean(dim=(2, 3)), weights, "classifier.1"))


@pytest.mark.parametrize("version", [1.0, 1.1])
@pytest.mark.parametrize("shape", [(3, 37, 32), (1, 22, 27), (3, 64, 50)])
def test_squeezenet(version: float, shape: tuple[int, ...]) -> None:
    network = drawn("squeezenet", shape, version=version)
    weights = dict(network.state_dict())
    x = images(*shape)
    y = convolution(x, weights, "features.0", 2).clamp(min=0)
    for index in range(2, 13):
        if f"features.{index}.squeeze.weight" not in weights:
            y = largest(y, ceil=True)
            continue
        y = convolution(y, weights, f"features.{index}.squeeze").clamp(min=0)
        halves = [convolution(y, weights, f"features.{index}.expand{k}x{k}", padding=k // 2) for k in (1, 3)]
        y = torch.cat(halves, dim=1).clamp(min=0)
    agree(network, x, convolution(y, weights, "classifier.1").clamp(min=0).mean(dim=(2, 3)))


def dense_blocks(x: Tensor, weights: Weights, counts: tuple[int, ...]) -> Tensor:
    for block, count in enumerate(counts, 1):
        maps = [x]
        for layer in range(1, count + 1):
            at = f"features.denseblock{block}.denselayer{layer}"
            y = norm(torch.cat(maps, dim=1), weights, f"{at}.norm1").clamp(min=0)
            y = norm(convolution(y, weights, f"{at}.conv1"), weights, f"{at}.norm2").clamp(min=0)
            maps.append(convolution(y, weights, f"{at}.conv2", padding=1))
        x = torch.cat(maps, dim=1)
        if block < len(counts):
            at = f"features.transition{block}"
            x = convolution(norm(x, weights, f"{at}.norm").clamp(min=0), weights, f"{at}.conv")
            high, wide = (size // 2 for size in x.shape[2:])
            x = x[:, :, : 2 * high, : 2 * wide].reshape(*x.shape[:2], high, 2, wide, 2).mean(dim=(3, 5))
    x = norm(x, weights, f"features.norm{len(counts) + 1}").clamp(min=0)
    return affine(x.mean(dim=(2, 3)), weights, "classifier")


@pytest.mark.parametrize("shape", [(3, 45, 33), (1, 64, 64)])
def test_densenet(shape: tuple[int, ...]) -> None:
    network = drawn("densenet", shape)
    weights = dict(network.state_dict())
    x = images(*shape)
    y = norm(convolution(x, weights, "features.conv0", 2, 3), weights, "features.norm0").clamp(min=0)
    agree(network, x, dense_blocks(largest(y, padding=1), weights, (6, 12, 24, 16)))


@pytest.mark.parametrize(
    ("shape", "options", "counts"),
    [
        ((3, 32, 32), {"depth": 22}, (3, 3, 3)),
        ((1, 13, 7), {"depth": 16, "growth": 5, "compression": 0.7}, (2, 2, 2)),
    ],
)
def test_densenet_of_small_images(shape: tuple[int, ...], options: dict[str, Any], counts: tuple[int, ...]) -> None:
    network = drawn("densenet_cifar", shape, **options)
    weights = dict(network.state_dict())
    x = images(*shape)
    agree(network, x, dense_blocks(convolution(x, weights, "features.conv0", padding=1), weights, counts))


def unit(x: Tensor, weights: Weights, name: str, stride: int = 1) -> Tensor:
    """Convolution, norm, ReLU under the names 0 and 1."""
    kernel = weights[f"{name}.0.weight"].shape[-1]
    return norm(convolution(x, weights, f"{name}.0", stride, kernel // 2), weights, f"{name}.1").clamp(min=0)


@pytest.mark.parametrize(
    ("shape", "options"),
    [((3, 32, 32), {}), ((1, 21, 9), {"auxiliary": 0.0}), ((3, 45, 33), {"stem_stride": 4, "width": 0.2})],
)
def test_inception(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    network: Any = drawn("inception", shape, **{"width": 0.125, **options})
    weights = dict(network.state_dict())
    x = images(*shape)
    y = unit(x, weights, "stem.0", options.get("stem_stride", 1))
    y = largest(unit(unit(y, weights, "stem.1"), weights, "stem.2"), padding=1)
    for name in ("before.3a", "before.3b", "", "before.4a", "before.4b", "before.4c", "before.4d"):
        y = inception_block(y, weights, name) if name else largest(y, padding=1)
    middle = y
    for name in ("after.4e", "", "after.5a", "after.5b"):
        y = inception_block(y, weights, name) if name else largest(y, padding=1)
    agree(network, x, affine(y.mean(dim=(2, 3)), weights, "fc"))
    if network.auxiliary is None:
        assert not [name for name in weights if name.startswith("auxiliary")]
        return
    hidden = affine(unit(averaged(middle, 4), weights, "auxiliary.1").flatten(1), weights, "auxiliary.3").clamp(min=0)
    network.training = True  # this module alone: its norms and dropouts are as in evaluation
    with torch.no_grad():
        heads = network(x)
    assert isinstance(heads, Heads)
    torch.testing.assert_close(heads.auxiliary, affine(hidden, weights, "auxiliary.6"), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(heads.scores, network.eval()(x).detach(), rtol=1e-9, atol=1e-9)


def inception_block(x: Tensor, weights: Weights, name: str) -> Tensor:
    at = name.replace(".", ".inception")
    three = unit(unit(x, weights, f"{at}.branch2.0"), weights, f"{at}.branch2.1")
    five = unit(unit(x, weights, f"{at}.branch3.0"), weights, f"{at}.branch3.1")
    assert weights[f"{at}.branch3.1.0.weight"].shape[-1] == 5
    pooled = unit(largest(x, stride=1, padding=1), weights, f"{at}.branch4.1")
    return torch.cat([unit(x, weights, f"{at}.branch1"), three, five, pooled], dim=1)


@pytest.mark.parametrize(
    ("shape", "options"),
    [((3, 32, 32), {"stem_stride": 1}), ((1, 45, 33), {}), ((3, 17, 24), {"stem_stride": 1, "width": 0.1})],
)
def test_mobilenet(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    network = drawn("mobilenet", shape, **{"width": 0.25, **options})
    weights = dict(network.state_dict())
    x = images(*shape)
    y = unit(x, weights, "stem", options.get("stem_stride", 2))
    for number in range(1, 14):
        at, stride = f"blocks.separable{number}", 2 if number in (2, 4, 6, 12) else 1
        windows = functional.pad(y, (1, 1, 1, 1)).unfold(2, 3, stride).unfold(3, 3, stride)
        y = torch.einsum("nchwij,cij->nchw", windows, weights[f"{at}.depthwise.weight"][:, 0])
        y = norm(y, weights, f"{at}.bn1").clamp(min=0)
        y = torch.einsum("nchw,kc->nkhw", y, weights[f"{at}.pointwise.weight"][:, :, 0, 0])
        y = norm(y, weights, f"{at}.bn2").clamp(min=0)
    agree(network, x, affine(y.mean(dim=(2, 3)), weights, "fc"))
