"""A small convolutional network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from chainrule.models._checks import check_image, check_share


def cnn(
    shape: tuple[int, ...], classes: int, *, widths: Sequence[int] = (32, 64, 128), dropout: float = 0.0
) -> nn.Module:
    """Return blocks of CONV3 BN RELU CONV3 BN RELU POOL2, then the mean over positions and one linear layer.

    Args:
        shape: (C, H, W); H and W at least 2 for each block.
        classes: Number of scores.
        widths: Channels of each block.
        dropout: Probability of dropping a feature before the linear layer.

    Raises:
        RecipeError: These are no images, or too small ones for so many blocks.
    """
    halved = f"a network of {len(widths)} blocks halves its images {len(widths)} times"
    check_image(shape, 2 ** len(widths), halved, remedy="give fewer --model.widths")
    check_share(dropout)
    layers: list[nn.Module] = []
    channels = shape[0]
    for width in widths:
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, classes)]
    model = nn.Sequential(*layers)
    for module in model:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model
