"""SqueezeNet: 1x1 convolutions squeeze the channels before 3x3 ones see them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.errors import RecipeError
from chainrule.models._checks import check_image, check_share

FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
"""Squeezed channels, and those of each half of the expansion, of the eight Fire modules."""
_STEMS = {1.0: (96, 7, (0, 3, 7)), 1.1: (64, 3, (0, 2, 4))}
"""Version -> channels and kernel of the first convolution, and the numbers of Fire modules before which it pools."""
_LAST_BIAS = 2.0
_LEAST = {1.0: 21, 1.1: 17}


def squeezenet(shape: tuple[int, ...], classes: int, *, version: float = 1.0, dropout: float = 0.5) -> nn.Module:
    """Return SqueezeNet: a convolution, eight Fire modules with three poolings, dropout, CONV1-K, ReLU, GAP.

    It has no fully connected layer: the last convolution gives one map for each class, and its mean is the score, which
    is never negative.

    Args:
        shape: (C, H, W), at least 21x21 (1.0) or 17x17 (1.1); the paper's is (3, 224, 224).
        classes: Number of scores.
        version: 1.0: CONV7-96 /2 first; 1.1: CONV3-64 /2 and earlier pooling, 2.4 times less work.
        dropout: Probability of dropping before the last convolution, at least 0 and below 1.

    Raises:
        RecipeError: Another version or probability, or images that are too small.

    Example:
        >>> network = squeezenet((3, 224, 224), 1000)
        >>> sum(p.numel() for p in network.parameters())
        1248424

    Source:
        LECTURES D6; Iandola et al. 2016. Initialization is torchvision's: the last convolution from N(0, 0.01^2), the
        others uniform with variance 2 / fan in (He et al. 2015, Delving deep into rectifiers), biases 0, but for the
        last.

    Departures:
        The last biases start at 2, not at 0. A ReLU stands behind them: from 0, and with few classes, the first steps
        silence it everywhere more often than not, and the loss stays at log K. The softmax does not see a constant.
        Names of modules are torchvision's, so its weights fit. As there, the last convolution has no padding (the
        Caffe original pads it by 1).
    """
    if version not in _STEMS:
        raise RecipeError("there is no SqueezeNet of this version", expected="1.0 or 1.1", got=version)
    check_share(dropout)
    small = "--model.name resnet_cifar is made for small images"
    check_image(shape, _LEAST[version], "SqueezeNet shrinks its images 16 times", remedy=small)
    network = SqueezeNet(_features(shape[0], version), classes, dropout)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            last = module is network.classifier[1]
            if last:
                nn.init.normal_(module.weight, std=0.01)
            else:
                nn.init.kaiming_uniform_(module.weight)
            assert module.bias is not None
            nn.init.constant_(module.bias, _LAST_BIAS if last else 0.0)
    return network


class Fire(nn.Module):
    """CONV1 to few channels, ReLU, then CONV1 and CONV3 beside each other, each with ReLU, joined.

    Args:
        channels: Of the input.
        squeezed: After the first convolution.
        expanded: Of each of the other two.

    Example:
        >>> Fire(96, 16, 64)(torch.zeros(2, 96, 5, 7)).shape
        torch.Size([2, 128, 5, 7])

    Source:
        LECTURES D6; Iandola et al. 2016, figure 1.
    """

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze, self.squeeze_activation = nn.Conv2d(channels, squeezed, 1), nn.ReLU()
        self.expand1x1, self.expand1x1_activation = nn.Conv2d(squeezed, expanded, 1), nn.ReLU()
        self.expand3x3, self.expand3x3_activation = nn.Conv2d(squeezed, expanded, 3, padding=1), nn.ReLU()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h w"]:
        """Return the joined maps."""
        x = self.squeeze_activation(self.squeeze(x))
        narrow, wide = self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))
        return torch.cat([narrow, wide], dim=1)  # (N, 2 expanded, H, W)


class SqueezeNet(nn.Module):
    """Features and a convolution that scores each place.

    Args:
        features: Ends in 512 channels.
        classes: Number of scores.
        dropout: Probability of dropping before the last convolution.
    """

    def __init__(self, features: nn.Module, classes: int, dropout: float) -> None:
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Conv2d(2 * FIRES[-1][1], classes, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return the scores."""
        return torch.flatten(self.classifier(self.features(x)), 1)


def _features(channels: int, version: float) -> nn.Sequential:
    width, kernel, pooled = _STEMS[version]
    layers: list[nn.Module] = [nn.Conv2d(channels, width, kernel, stride=2), nn.ReLU()]
    channels = width
    for number, (squeezed, expanded) in enumerate(FIRES):
        if number in pooled:
            layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
        layers.append(Fire(channels, squeezed, expanded))
        channels = 2 * expanded
    return nn.Sequential(*layers)
