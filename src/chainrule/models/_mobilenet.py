"""MobileNet: convolutions in two steps, first over the places of each channel, then over the channels of each place."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.errors import RecipeError
from chainrule.models._checks import check_image, check_width

BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
"""Channels at width 1 and stride of each block."""
_STEM = 32


def mobilenet(shape: tuple[int, ...], classes: int, *, width: float = 1.0, stem_stride: Literal[1, 2] = 2) -> nn.Module:
    """Return MobileNet v1: CONV3-32, thirteen depthwise-separable convolutions, GAP, FC-K.

    Args:
        shape: (C, H, W), H and W at least 16 times `stem_stride`; the paper's is (3, 224, 224).
        classes: Number of scores.
        width: Factor of all channels, above 0; the paper's alpha: 1, 0.75, 0.5 or 0.25.
        stem_stride: Of the first convolution: 2 is the paper's, 1 leaves small images (32x32) twice as large maps.

    Raises:
        RecipeError: A number out of its range, or images that are too small.

    Example:
        >>> network = mobilenet((3, 224, 224), 1000)
        >>> sum(p.numel() for p in network.parameters())
        4231976

    Source:
        LECTURES D6; Howard et al. 2017, table 1. Initialization: convolutions from N(0, 2 / fan in) (He et al. 2015,
        Delving deep into rectifiers), the last layer as torch draws it.

    Departures:
        The paper's table gives its last 3x3 convolution stride 2 and leaves the size as it is: here the stride is 1.
    """
    check_width(width)
    if stem_stride not in (1, 2):
        raise RecipeError("the first convolution has one of two strides", expected="1 or 2", got=stem_stride)
    times = 16 * stem_stride
    small = "--model.stem_stride 1 takes half the size" if stem_stride == 2 else None
    check_image(shape, times, f"this MobileNet shrinks its images {times} times", remedy=small)
    network = MobileNet(shape[0], classes, width, stem_stride)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return network


class Separable(nn.Module):
    """CONV3 of each channel by itself, BN, ReLU, then CONV1 over the channels, BN, ReLU.

    Against one 3x3 convolution it takes about 1 / K + 1 / 9 of the work, for K filters.

    Args:
        channels: Of the input.
        out: Of the output, K.
        stride: Of the 3x3 convolution.

    Example:
        >>> block = Separable(32, 64, 2)
        >>> block(torch.zeros(2, 32, 7, 8)).shape, block.depthwise.weight.numel() + block.pointwise.weight.numel()
        (torch.Size([2, 64, 4, 4]), 2336)

    Source:
        LECTURES D6; Howard et al. 2017, section 3.1 and figure 3.
    """

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False)
        self.bn1, self.relu1 = nn.BatchNorm2d(channels), nn.ReLU()
        self.pointwise = nn.Conv2d(channels, out, 1, bias=False)
        self.bn2, self.relu2 = nn.BatchNorm2d(out), nn.ReLU()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Return the output."""
        x = self.relu1(self.bn1(self.depthwise(x)))
        return self.relu2(self.bn2(self.pointwise(x)))


class MobileNet(nn.Module):
    """A stem, separable convolutions, and a linear classifier.

    Args:
        channels: Of the images.
        classes: Number of scores.
        width: Factor of all channels.
        stem_stride: Of the first convolution.
    """

    def __init__(self, channels: int, classes: int, width: float, stem_stride: int) -> None:
        super().__init__()
        out = _scaled(_STEM, width)
        convolution = nn.Conv2d(channels, out, 3, stem_stride, padding=1, bias=False)
        self.stem = nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU())
        self.blocks = nn.Sequential()
        for number, (wide, stride) in enumerate(BLOCKS, 1):
            channels, out = out, _scaled(wide, width)
            self.blocks.add_module(f"separable{number}", Separable(channels, out, stride))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(out, classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return the scores."""
        return self.fc(torch.flatten(self.avgpool(self.blocks(self.stem(x))), 1))


def _scaled(channels: int, width: float) -> int:
    return max(1, round(width * channels))
