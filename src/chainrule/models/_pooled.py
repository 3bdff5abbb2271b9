"""The frame of AlexNet and VGG: convolutions, pooling to a fixed size, fully connected layers."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PooledNet(nn.Module):
    """Convolutions, whose maps are averaged to a fixed size, and a classifier of what is left.

    Args:
        features: The convolutions.
        classifier: Of the flattened features.
        size: Height and width that the features are averaged to.
    """

    def __init__(self, features: nn.Module, classifier: nn.Module, size: int) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(size)
        self.classifier = classifier

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return the scores."""
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))
