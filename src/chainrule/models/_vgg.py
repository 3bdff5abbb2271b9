"""VGG: 3x3 convolutions in five groups, each followed by pooling."""

from __future__ import annotations

from typing import Literal

from torch import nn

from chainrule.core.errors import RecipeError
from chainrule.models._checks import check_image, check_share
from chainrule.models._pooled import PooledNet

GROUPS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Layers with weights, the three fully connected ones included -> convolutions in each group."""
WIDTHS = (64, 128, 256, 512, 512)


def vgg(
    shape: tuple[int, ...],
    classes: int,
    *,
    depth: Literal[11, 13, 16, 19] = 16,
    batch_norm: bool = False,
    head: Literal["original", "linear"] = "original",
    dropout: float = 0.5,
) -> nn.Module:
    """Return VGG-11, 13, 16 or 19.

    Every convolution is followed by ReLU, with batch normalization between them if wanted; POOL2 ends each group.

    Args:
        shape: (C, H, W), H and W at least 32; the paper's is (3, 224, 224).
        classes: Number of scores.
        depth: Layers with weights.
        batch_norm: Normalize after each convolution.
        head: "original": pooled to 7x7, FC-4096, ReLU, dropout, twice, and FC-K (about 120 million parameters);
            "linear": global average pooling, dropout and FC-K, for small images.
        dropout: Probability of dropping in the head, at least 0 and below 1.

    Raises:
        RecipeError: Another depth, head or probability, or images that are too small.

    Example:
        >>> import torch
        >>> network = vgg((3, 32, 32), 10, depth=11, batch_norm=True, head="linear")
        >>> network(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])

    Source:
        LECTURES D3, D5; Simonyan and Zisserman 2015 (configurations A, B, D, E). Initialization is torchvision's:
        convolutions from N(0, 2 / fan out) (He et al. 2015, Delving deep into rectifiers), fully connected layers from
        N(0, 0.01^2), biases 0.

    Departures:
        Names of modules are torchvision's, so its weights fit; as there, the features of any image are averaged to 7x7
        (at 224x224 they are 7x7). The paper (section 3.1) draws the weights of its shallowest network from a normal
        distribution of variance 0.01 and starts deeper ones from it; it has no batch normalization.
    """
    if depth not in GROUPS:
        raise RecipeError("there is no VGG of this depth", expected="11, 13, 16 or 19", got=depth)
    if head not in ("original", "linear"):
        raise RecipeError("VGG has two heads", expected="original or linear", got=head)
    check_share(dropout)
    small = "--model.name resnet_cifar is made for small images"
    check_image(shape, 32, "VGG halves its images five times", remedy=small)
    network = PooledNet(
        _features(shape[0], GROUPS[depth], batch_norm), _head(head, classes, dropout), 7 if head == "original" else 1
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            assert module.bias is not None
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
    return network


def _features(channels: int, groups: tuple[int, ...], batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for count, width in zip(groups, WIDTHS):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU())
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _head(head: str, classes: int, dropout: float) -> nn.Sequential:
    if head == "linear":
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(WIDTHS[-1], classes))
    return nn.Sequential(
        nn.Linear(WIDTHS[-1] * 7 * 7, 4096),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(4096, classes),
    )
