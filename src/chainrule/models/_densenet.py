"""DenseNet: every layer sees the maps of all layers before it in its block."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.errors import RecipeError
from chainrule.models._checks import check_image

FORMS: dict[int, tuple[int, int, tuple[int, ...]]] = {
    121: (32, 64, (6, 12, 24, 16)),
    161: (48, 96, (6, 12, 36, 24)),
    169: (32, 64, (6, 12, 32, 32)),
    201: (32, 64, (6, 12, 48, 32)),
}
"""Layers with weights -> growth, channels of the first convolution, layers in each block."""
_BOTTLENECK = 4  # channels of the 1x1 convolution over the growth


def densenet(shape: tuple[int, ...], classes: int, *, depth: Literal[121, 161, 169, 201] = 121) -> nn.Module:
    """Return DenseNet-121, 161, 169 or 201: CONV7 /2, pooling, four dense blocks with transitions, BN, ReLU, GAP, FC-K.

    Args:
        shape: (C, H, W), H and W at least 29; the paper's is (3, 224, 224).
        classes: Number of scores.
        depth: Layers with weights. The growth k, the channels that each layer adds, is 32, and 48 at depth 161.

    Raises:
        RecipeError: Another depth, or images that are too small.

    Example:
        >>> network = densenet((3, 224, 224), 1000)
        >>> sum(p.numel() for p in network.parameters())
        7978856

    Source:
        LECTURES D6; Huang et al. 2017, Densely connected convolutional networks, table 1 (161: torchvision's and the
        authors' own). Initialization is torchvision's: convolutions from N(0, 2 / fan in) (He et al. 2015, Delving
        deep into rectifiers), bias of the last layer 0.

    Departures:
        Names of modules are torchvision's, so its weights fit (`chainrule.models.load_published` knows the older names
        in its files). Each ReLU is a module of its own.
    """
    if depth not in FORMS:
        raise RecipeError("there is no DenseNet of this depth", expected="121, 161, 169 or 201", got=depth)
    small = "--model.name densenet_cifar is made for small images"
    check_image(shape, 29, "this DenseNet shrinks its images 32 times", remedy=small)
    growth, width, counts = FORMS[depth]
    stem: dict[str, nn.Module] = {
        "conv0": nn.Conv2d(shape[0], width, 7, stride=2, padding=3, bias=False),
        "norm0": nn.BatchNorm2d(width),
        "relu0": nn.ReLU(),
        "pool0": nn.MaxPool2d(3, stride=2, padding=1),
    }
    return _drawn(DenseNet(stem, width, counts, growth, 0.5, classes))


def densenet_cifar(
    shape: tuple[int, ...], classes: int, *, depth: int = 40, growth: int = 12, compression: float = 0.5
) -> nn.Module:
    """Return DenseNet-BC for small images: CONV3-2k, three dense blocks with transitions, BN, ReLU, GAP, FC-K.

    Args:
        shape: (C, H, W), H and W at least 4; the paper's is (3, 32, 32).
        classes: Number of scores.
        depth: Layers with weights, 6n + 4 for n layers (of two convolutions) in each block: 40, 100, ...
        growth: Channels that each layer adds; the paper's k.
        compression: Share of the channels that a transition keeps, above 0 and at most 1; the paper's theta.

    Raises:
        RecipeError: Another depth, growth or compression, or images that are too small.

    Example:
        >>> network = densenet_cifar((3, 32, 32), 10, depth=100)
        >>> sum(p.numel() for p in network.parameters())
        769162

    Source:
        LECTURES D6; Huang et al. 2017, Densely connected convolutional networks, section 4.2. Initialization as
        `densenet`.
    """
    if depth < 10 or depth % 6 != 4:
        below = (depth - 4) // 6 * 6 + 4
        near = "use 10" if depth < 10 else f"use {below} or {below + 6}"
        raise RecipeError("this DenseNet has 6n + 4 layers", expected="10, 16, 22, ...", got=depth, remedy=near)
    if growth < 1:
        raise RecipeError("growth is the channels that each layer adds", expected="at least 1", got=growth)
    if not 0 < compression <= 1 or int(2 * growth * compression) < 1:
        raise RecipeError(
            "compression is the share of the channels that a transition keeps",
            expected="above 0, at most 1, and one channel at least",
            got=compression,
        )
    check_image(shape, 4, "this DenseNet shrinks its images 4 times")
    stem: dict[str, nn.Module] = {"conv0": nn.Conv2d(shape[0], 2 * growth, 3, padding=1, bias=False)}
    counts = ((depth - 4) // 6,) * 3
    return _drawn(DenseNet(stem, 2 * growth, counts, growth, compression, classes))


class DenseLayer(nn.Module):
    """BN, ReLU, CONV1-4k, BN, ReLU, CONV3-k.

    Args:
        channels: Of the input.
        growth: k, the channels of the output.

    Source:
        LECTURES D6; Huang et al. 2017, section 3 ("DenseNet-B").
    """

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        inner = _BOTTLENECK * growth
        self.norm1, self.relu1 = nn.BatchNorm2d(channels), nn.ReLU()
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(inner), nn.ReLU()
        self.conv2 = nn.Conv2d(inner, growth, 3, padding=1, bias=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k h w"]:
        """Return the new maps."""
        return self.conv2(self.relu2(self.norm2(self.conv1(self.relu1(self.norm1(x))))))


class DenseBlock(nn.Module):
    """x_l = H_l([x_0, x_1, ..., x_{l-1}]): each layer sees all maps before it, and adds k.

    Args:
        channels: Of the input.
        count: Layers.
        growth: k.

    Example:
        >>> DenseBlock(16, 3, 12)(torch.zeros(2, 16, 5, 7)).shape
        torch.Size([2, 52, 5, 7])

    Source:
        LECTURES D6; Huang et al. 2017, equation 2.
    """

    def __init__(self, channels: int, count: int, growth: int) -> None:
        super().__init__()
        for number in range(count):
            self.add_module(f"denselayer{number + 1}", DenseLayer(channels + number * growth, growth))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h w"]:
        """Return the maps of the input and of every layer."""
        for layer in self.children():
            x = torch.cat([x, layer(x)], dim=1)  # (N, C + k, H, W)
        return x


class DenseNet(nn.Module):
    """A stem, dense blocks with transitions between them, and a linear classifier.

    A transition is BN, ReLU, CONV1 to a share of the channels, AVGPOOL2.

    Args:
        stem: First layers by name.
        channels: After them.
        counts: Layers in each block.
        growth: Channels that each layer adds.
        compression: Share of the channels that a transition keeps.
        classes: Number of scores.
    """

    def __init__(
        self,
        stem: dict[str, nn.Module],
        channels: int,
        counts: tuple[int, ...],
        growth: int,
        compression: float,
        classes: int,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential()
        for name, layer in stem.items():
            self.features.add_module(name, layer)
        for number, count in enumerate(counts, 1):
            self.features.add_module(f"denseblock{number}", DenseBlock(channels, count, growth))
            channels += count * growth
            if number < len(counts):
                kept = int(channels * compression)
                self.features.add_module(f"transition{number}", _transition(channels, kept))
                channels = kept
        self.features.add_module(f"norm{len(counts) + 1}", nn.BatchNorm2d(channels))
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return the scores."""
        return self.classifier(torch.flatten(self.avgpool(self.relu(self.features(x))), 1))


def _transition(channels: int, kept: int) -> nn.Sequential:
    transition = nn.Sequential()
    transition.add_module("norm", nn.BatchNorm2d(channels))
    transition.add_module("relu", nn.ReLU())
    transition.add_module("conv", nn.Conv2d(channels, kept, 1, bias=False))
    transition.add_module("pool", nn.AvgPool2d(2))
    return transition


def _drawn(network: DenseNet) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    nn.init.zeros_(network.classifier.bias)
    return network
