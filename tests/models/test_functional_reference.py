"""Whole networks against a computation from their weights alone, found by torchvision's names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from chainrule.models import MODELS

Weights = dict[str, Tensor]


def with_drawn_statistics(network: nn.Module) -> nn.Module:
    """Give every norm statistics, scales and shifts that are none of 0 and 1, as after training."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = 0.3 * torch.randn(module.num_features)
            module.running_var = 0.5 + torch.rand(module.num_features)
            nn.init.uniform_(module.weight, 0.3, 0.8)
            nn.init.normal_(module.bias, std=0.2)
    return network.eval()


def norm(x: Tensor, weights: Weights, name: str) -> Tensor:
    mean, variance, scale, shift = (
        weights[f"{name}.{key}"][:, None, None] for key in ("running_mean", "running_var", "weight", "bias")
    )
    return scale * (x - mean) / (variance + 1e-5).sqrt() + shift


def basic(x: Tensor, weights: Weights, name: str, stride: int) -> Tensor:
    y = functional.conv2d(x, weights[f"{name}.conv1.weight"], stride=stride, padding=1)
    y = norm(y, weights, f"{name}.bn1").clamp(min=0)
    return norm(functional.conv2d(y, weights[f"{name}.conv2.weight"], padding=1), weights, f"{name}.bn2")


def bottleneck(x: Tensor, weights: Weights, name: str, stride: int) -> Tensor:
    y = norm(functional.conv2d(x, weights[f"{name}.conv1.weight"]), weights, f"{name}.bn1").clamp(min=0)
    y = functional.conv2d(y, weights[f"{name}.conv2.weight"], stride=stride, padding=1)
    y = norm(y, weights, f"{name}.bn2").clamp(min=0)
    return norm(functional.conv2d(y, weights[f"{name}.conv3.weight"]), weights, f"{name}.bn3")


def residual_network(
    x: Tensor, weights: Weights, counts: tuple[int, ...], body: Callable[..., Tensor], *, plain: bool
) -> Tensor:
    """Scores of a residual network; the stem is ImageNet's if its kernel is 7x7."""
    imagenet = weights["conv1.weight"].shape[-1] == 7
    stem = {"stride": 2, "padding": 3} if imagenet else {"stride": 1, "padding": 1}
    x = norm(functional.conv2d(x, weights["conv1.weight"], **stem), weights, "bn1").clamp(min=0)
    if imagenet:
        # after ReLU no value is below 0, so zeros around the maps change no maximum
        x = functional.pad(x, (1, 1, 1, 1)).unfold(2, 3, 2).unfold(3, 3, 2).amax(dim=(-2, -1))
    for stage, count in enumerate(counts, 1):
        for place in range(count):
            name, stride = f"layer{stage}.{place}", 2 if stage > 1 and place == 0 else 1
            y = body(x, weights, name, stride)
            if plain:
                x = torch.zeros_like(y)
            elif f"{name}.downsample.0.weight" in weights:
                x = functional.conv2d(x, weights[f"{name}.downsample.0.weight"], stride=stride)
                x = norm(x, weights, f"{name}.downsample.1")
            elif y.shape != x.shape:
                old, x = x[:, :, ::2, ::2], torch.zeros_like(y)
                x[:, : old.shape[1]] = old
            x = (y + x).clamp(min=0)
    return x.mean(dim=(2, 3)) @ weights["fc.weight"].T + weights["fc.bias"]


@pytest.mark.parametrize(
    ("name", "shape", "options", "counts", "body"),
    [
        ("resnet", (3, 64, 64), {"depth": 18}, (2, 2, 2, 2), basic),
        ("resnet", (1, 45, 70), {"depth": 34}, (3, 4, 6, 3), basic),
        ("resnet", (3, 64, 50), {"depth": 50}, (3, 4, 6, 3), bottleneck),
        ("resnet_cifar", (3, 32, 32), {}, (3, 3, 3), basic),
        ("resnet_cifar", (1, 28, 28), {"depth": 14, "shortcut": "project"}, (2, 2, 2), basic),
        ("resnet_cifar", (2, 13, 7), {"depth": 8}, (1, 1, 1), basic),
        ("resnet_cifar", (3, 15, 16), {"depth": 20, "shortcut": "none"}, (3, 3, 3), basic),
    ],
)
def test_residual_networks(name: str, shape: Any, options: dict[str, Any], counts: Any, body: Any) -> None:
    torch.manual_seed(0)
    network = with_drawn_statistics(MODELS.resolve(name)(shape, 10, **options)).double()
    x = torch.randn(3, *shape, dtype=torch.float64)
    with torch.no_grad():
        found = network(x)
        assert found.std() > 1e-3, "scores that hardly differ would prove nothing"
        wanted = residual_network(x, network.state_dict(), counts, body, plain=options.get("shortcut") == "none")
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_vgg(batch_norm: bool) -> None:
    torch.manual_seed(0)
    network = MODELS.resolve("vgg")((3, 40, 33), 10, depth=13, batch_norm=batch_norm, head="linear")
    network = with_drawn_statistics(network).double()
    weights = network.state_dict()
    x = torch.randn(2, 3, 40, 33, dtype=torch.float64)
    y, place, step = x, 0, 3 if batch_norm else 2
    for _ in range(5):
        for _ in range(2):
            y = functional.conv2d(y, weights[f"features.{place}.weight"], weights[f"features.{place}.bias"], padding=1)
            y = (norm(y, weights, f"features.{place + 1}") if batch_norm else y).clamp(min=0)
            place += step
        high, wide = (math.floor(size / 2) for size in y.shape[2:])
        y = y[:, :, : 2 * high, : 2 * wide].reshape(2, -1, high, 2, wide, 2).amax(dim=(3, 5))
        place += 1
    wanted = y.mean(dim=(2, 3)) @ weights["classifier.1.weight"].T + weights["classifier.1.bias"]
    with torch.no_grad():
        found = network(x)
    assert found.std() > 1e-3, "scores that hardly differ would prove nothing"
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
