"""Residual networks: those of ImageNet, and the thinner ones of CIFAR, also without their shortcuts."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.errors import RecipeError
from chainrule.models._checks import check_image, check_share
from chainrule.models._residual_blocks import BasicBlock, Block, Bottleneck, PaddedShortcut, Shortcut, projection

STAGES: dict[int, tuple[type[Block], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}
"""Layers with weights -> the kind of block, and how many in each stage."""
CIFAR_DEPTHS = (20, 32, 44, 56, 110)
"""Those of the paper; any 6n + 2 can be built."""
SHORTCUTS: dict[str, Shortcut | None] = {"pad": PaddedShortcut, "project": projection, "none": None}
"""How a block of `resnet_cifar` that changes the shape is skipped; "none": no block is skipped at all."""


def resnet(
    shape: tuple[int, ...],
    classes: int,
    *,
    depth: Literal[18, 34, 50, 101, 152] = 18,
    zero_init_residual: bool = False,
    drop_path: float = 0.0,
) -> nn.Module:
    """Return ResNet-18, 34, 50, 101 or 152: CONV7-64 /2, pooling, four stages of residual blocks, GAP, FC-K.

    Args:
        shape: (C, H, W), H and W at least 32; the paper's is (3, 224, 224).
        classes: Number of scores.
        depth: Layers with weights.
        zero_init_residual: Start each block as the identity: gamma of its last norm is 0.
        drop_path: Stochastic depth: p_max, at least 0 and below 1. While training, block l of L drops its body with
            probability l / L p_max for each example.

    Raises:
        RecipeError: Another depth or probability, or images that are too small.

    Example:
        >>> resnet((3, 64, 64), 10)(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 10])

    Source:
        LECTURES C8, D5; He et al. 2016, Deep residual learning, table 1. Initialization: convolutions from
        N(0, 2 / fan out) (He et al. 2015, Delving deep into rectifiers), as torchvision. Zero gammas: Goyal et al.
        2017, section 5.1. Stochastic depth: LECTURES D6; Huang et al. 2016.

    Departures:
        Names of modules are torchvision's, so its weights fit. As there, a bottleneck strides in its 3x3 convolution
        ("v1.5"); the paper strides in the first 1x1. Each ReLU is a module of its own. Stochastic depth scales the kept
        bodies while training (`chainrule.nn.drop_path`), not all of them at test.
    """
    if depth not in STAGES:
        raise RecipeError("there is no ResNet of this depth", expected="18, 34, 50, 101 or 152", got=depth)
    small = "--model.name resnet_cifar is made for small images"
    check_share(drop_path, "drop_path")
    check_image(shape, 32, "this ResNet shrinks its images 32 times", remedy=small)
    kind, counts = STAGES[depth]
    stem = nn.Conv2d(shape[0], 64, 7, stride=2, padding=3, bias=False)
    pool, widths = nn.MaxPool2d(3, stride=2, padding=1), (64, 128, 256, 512)
    network = ResNet(stem, pool, kind, widths, counts, classes, projection, drop_path)
    _draw_weights(network, zero_init_residual)
    return network


def resnet_cifar(
    shape: tuple[int, ...],
    classes: int,
    *,
    depth: int = 20,
    shortcut: Literal["pad", "project", "none"] = "pad",
    zero_init_residual: bool = False,
    drop_path: float = 0.0,
) -> nn.Module:
    """Return the ResNet of depth 6n + 2 for small images: CONV3-16, three stages of n blocks (16, 32, 64), GAP, FC-K.

    Args:
        shape: (C, H, W), H and W at least 4; the paper's is (3, 32, 32).
        classes: Number of scores.
        depth: Layers with weights, 6n + 2: 20, 32, 44, 56 and 110 are the paper's.
        shortcut: Where a stage begins. "pad": every second pixel, new channels zero, no parameters (the paper's A);
            "project": CONV1 and BN (its B). "none": no block has a shortcut, which makes the paper's plain network with
            the parameters of "pad".
        zero_init_residual: Start each block as the identity: gamma of its last norm is 0.
        drop_path: Stochastic depth as in `resnet`: p_max, at least 0 and below 1 (0.5 in its paper, at 110 layers).

    Raises:
        RecipeError: Another depth, shortcut or probability, images that are too small, or an option of shortcuts for a
            network that has none.

    Example:
        >>> network = resnet_cifar((3, 32, 32), 10)
        >>> sum(p.numel() for p in network.parameters())
        269722

    Source:
        LECTURES C8, D5; He et al. 2016, Deep residual learning, section 4.2 (plain networks: figure 6, left).
        Initialization as `resnet`.
    """
    if depth < 8 or depth % 6 != 2:
        below = (depth - 2) // 6 * 6 + 2
        near = "use 8" if depth < 8 else f"use {below} or {below + 6}"
        raise RecipeError("this ResNet has 6n + 2 layers", expected="8, 14, 20, 26, ...", got=depth, remedy=near)
    if shortcut not in SHORTCUTS:
        raise RecipeError("there is no such shortcut", expected="pad, project or none", got=shortcut)
    check_share(drop_path, "drop_path")
    if shortcut == "none" and (zero_init_residual or drop_path):
        option = "zero_init_residual" if zero_init_residual else "drop_path"
        raise RecipeError(
            f"{option} would cut a network without shortcuts in two", remedy="leave it out, or choose shortcut: pad"
        )
    check_image(shape, 4, "this ResNet shrinks its images 4 times")
    counts = ((depth - 2) // 6,) * 3
    stem = nn.Conv2d(shape[0], 16, 3, padding=1, bias=False)
    network = ResNet(stem, nn.Identity(), BasicBlock, (16, 32, 64), counts, classes, SHORTCUTS[shortcut], drop_path)
    _draw_weights(network, zero_init_residual)
    return network


class ResNet(nn.Module):
    """A stem, stages of residual blocks that halve the image and double the channels, and a linear classifier.

    Args:
        stem: First convolution.
        pool: After it.
        block: Kind of block.
        widths: Of each stage.
        counts: Blocks in each stage.
        classes: Number of scores.
        shortcut: `(channels in, channels out, stride) -> module`, where a block changes the shape; None: plain blocks.
        drop_path: Probability of dropping the last block's body; it grows from the first one on by equal steps.
    """

    def __init__(
        self,
        stem: nn.Conv2d,
        pool: nn.Module,
        block: type[Block],
        widths: tuple[int, ...],
        counts: tuple[int, ...],
        classes: int,
        shortcut: Shortcut | None,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = stem, nn.BatchNorm2d(stem.out_channels), nn.ReLU()
        self.maxpool = pool
        channels, done = stem.out_channels, 0
        self.stages = [f"layer{number}" for number in range(1, len(widths) + 1)]
        for number, (name, width, count) in enumerate(zip(self.stages, widths, counts)):
            blocks: list[nn.Module] = []
            for place in range(count):
                stride = 2 if number > 0 and place == 0 else 1
                done += 1
                blocks.append(block(channels, width, stride, shortcut, drop_path * done / sum(counts)))
                channels = width * block.EXPANSION
            self.add_module(name, nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return the scores."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _draw_weights(network: nn.Module, zero_init_residual: bool) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if zero_init_residual:
        for module in network.modules():
            if isinstance(module, Block):
                nn.init.zeros_(module.last_norm.weight)
