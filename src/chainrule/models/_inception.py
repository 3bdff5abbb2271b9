"""A thin GoogLeNet: Inception blocks, and an auxiliary head."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.errors import RecipeError
from chainrule.models._checks import check_image, check_share, check_width
from chainrule.models._heads import Heads
from chainrule.nn import Concat

BLOCKS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Channels at width 1: 1x1; before and after 3x3; before and after 5x5; 1x1 after the pooling."""
_STEM = (64, 64, 192)
_AUXILIARY = (128, 1024)  # channels of its convolution, features of its hidden layer
_AUXILIARY_DROPOUT = 0.7


def inception(
    shape: tuple[int, ...],
    classes: int,
    *,
    width: float = 0.25,
    auxiliary: float = 0.3,
    stem_stride: int = 1,
    dropout: float = 0.4,
) -> nn.Module:
    """Return GoogLeNet with `width` times its channels: a stem, nine Inception blocks, GAP, dropout, FC-K.

    While it trains with an auxiliary head, `forward` gives `Heads(scores, auxiliary, weight)`; otherwise plain scores.

    Args:
        shape: (C, H, W), H and W at least 8 times `stem_stride`.
        classes: Number of scores.
        width: Factor of all channels; 1 gives the paper's.
        auxiliary: Weight of the auxiliary head's loss, at least 0; without a head if 0.
        stem_stride: Of the first convolution, whose kernel is 2 stem_stride + 1: 1 for 32x32, 4 gives 224x224 images
            the paper's maps (28x28 in the first block).
        dropout: Probability of dropping before the last layer, at least 0 and below 1.

    Raises:
        RecipeError: A number out of its range, or images that are too small.

    Example:
        >>> network = inception((3, 32, 32), 10).eval()
        >>> network(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])

    Source:
        LECTURES D6; Szegedy et al. 2015, Going deeper with convolutions, table 1. Initialization: convolutions from
        N(0, 2 / fan in) (He et al. 2015, Delving deep into rectifiers), fully connected layers as torch draws them.

    Departures:
        Batch normalization after every convolution (Ioffe and Szegedy 2015) instead of local response normalization.
        One auxiliary head, after block 4d: Szegedy et al. 2016, section 4, found the lower one useless. The stem is
        that of small images: a first convolution of another size, and one pooling instead of two.
    """
    check_width(width)
    if not 0 <= auxiliary < math.inf:
        raise RecipeError("auxiliary is the weight of a loss", expected="at least 0, finite", got=auxiliary)
    if stem_stride < 1:
        raise RecipeError("stem_stride is the stride of the first convolution", expected="at least 1", got=stem_stride)
    check_share(dropout)
    times = 8 * stem_stride
    check_image(shape, times, f"this Inception network shrinks its images {times} times")
    network = InceptionNet(shape[0], classes, width, auxiliary, stem_stride, dropout)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return network


class InceptionNet(nn.Module):
    """A stem, blocks before and after the place of the auxiliary head, and a linear classifier.

    Args:
        channels: Of the images.
        classes: Number of scores.
        width: Factor of all channels.
        auxiliary: Weight of the auxiliary head's loss; no head if 0.
        stem_stride: Of the first convolution.
        dropout: Probability of dropping before the classifier.
    """

    def __init__(
        self, channels: int, classes: int, width: float, auxiliary: float, stem_stride: int, dropout: float
    ) -> None:
        super().__init__()
        first, second, third = _scaled(_STEM, width)
        self.stem = nn.Sequential(
            _convolution(channels, first, 2 * stem_stride + 1, stem_stride),
            _convolution(first, second, 1),
            _convolution(second, third, 3),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.before, middle = _blocks(third, ("3a", "3b", "pool3", "4a", "4b", "4c", "4d"), width)
        self.after, last = _blocks(middle, ("4e", "pool4", "5a", "5b"), width)
        self.avgpool, self.dropout = nn.AdaptiveAvgPool2d(1), nn.Dropout(dropout)
        self.fc = nn.Linear(last, classes)
        self.auxiliary_weight = auxiliary
        self.auxiliary = _auxiliary_head(middle, classes, width) if auxiliary > 0 else None

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"] | Heads:
        """Return the scores, while training together with those of the auxiliary head."""
        middle = self.before(self.stem(x))
        scores = self.fc(self.dropout(torch.flatten(self.avgpool(self.after(middle)), 1)))
        if self.training and self.auxiliary is not None:
            return Heads(scores, self.auxiliary(middle), self.auxiliary_weight)
        return scores


def inception_block(channels: int, plan: Sequence[int]) -> Concat:
    """Return four branches side by side: CONV1; CONV1, CONV3; CONV1, CONV5; POOL3, CONV1. Each CONV with BN and ReLU.

    The 1x1 convolutions before the larger ones reduce the channels, and with them the work.

    Args:
        channels: Of the input.
        plan: Channels: 1x1; before and after 3x3; before and after 5x5; 1x1 after the pooling.

    Example:
        >>> block = inception_block(192, BLOCKS["3a"])
        >>> block(torch.zeros(2, 192, 5, 7)).shape
        torch.Size([2, 256, 5, 7])

    Source:
        LECTURES D6; Szegedy et al. 2015, figure 2 (b).
    """
    one, before_three, three, before_five, five, pooled = plan
    return Concat(
        {
            "branch1": _convolution(channels, one, 1),
            "branch2": nn.Sequential(_convolution(channels, before_three, 1), _convolution(before_three, three, 3)),
            "branch3": nn.Sequential(_convolution(channels, before_five, 1), _convolution(before_five, five, 5)),
            "branch4": nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), _convolution(channels, pooled, 1)),
        }
    )


def _blocks(channels: int, names: Sequence[str], width: float) -> tuple[nn.Sequential, int]:
    """The blocks of these names one after the other, and the channels after them."""
    chain = nn.Sequential()
    for name in names:
        if name in BLOCKS:
            plan = _scaled(BLOCKS[name], width)
            chain.add_module(f"inception{name}", inception_block(channels, plan))
            channels = plan[0] + plan[2] + plan[4] + plan[5]
        else:
            chain.add_module(name, nn.MaxPool2d(3, stride=2, padding=1))
    return chain, channels


def _auxiliary_head(channels: int, classes: int, width: float) -> nn.Sequential:
    """Averaged to 4x4, CONV1, FC, ReLU, dropout, FC-K."""
    inner, hidden = _scaled(_AUXILIARY, width)
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(4),
        _convolution(channels, inner, 1),
        nn.Flatten(),
        nn.Linear(inner * 4 * 4, hidden),
        nn.ReLU(),
        nn.Dropout(_AUXILIARY_DROPOUT),
        nn.Linear(hidden, classes),
    )


def _convolution(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU())


def _scaled(plan: Sequence[int], width: float) -> tuple[int, ...]:
    return tuple(max(1, round(width * channels)) for channels in plan)
