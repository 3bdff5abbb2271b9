"""Blocks of residual networks, y = relu(F(x) + shortcut(x)), and of plain ones, y = relu(F(x))."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from chainrule.nn import DropPath

Shortcut = Callable[[int, int, int], nn.Module]


class Block(nn.Module):
    """What blocks share: the sum with a shortcut. `downsample` is None where the shape stays, as in torchvision.

    Without a shortcut the block is plain: relu(F(x)), with the same parameters.

    Args:
        channels: Of the input.
        width: Of the 3x3 convolutions.
        stride: Of the block.
        shortcut: `(channels in, channels out, stride) -> module`, used where the block changes the shape; None: plain.
        drop: Probability of dropping F for an example while training (stochastic depth).
    """

    EXPANSION: ClassVar[int]
    """Channels of the output over the width."""

    def __init__(self, channels: int, width: int, stride: int, shortcut: Shortcut | None, drop: float = 0.0) -> None:
        super().__init__()
        out = width * self.EXPANSION
        self.add_body(channels, width, stride)
        self.plain = shortcut is None
        self.drop_path = DropPath(drop) if drop > 0 else None
        self.downsample = shortcut(channels, out, stride) if shortcut and (stride != 1 or channels != out) else None
        self.relu = nn.ReLU()

    @abstractmethod
    def add_body(self, channels: int, width: int, stride: int) -> None:
        """Make the layers of F."""

    @abstractmethod
    def body(self, x: Tensor) -> Tensor:
        """Return F(x)."""

    @property
    @abstractmethod
    def last_norm(self) -> nn.BatchNorm2d:
        """The norm before the sum."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Return relu(F(x) + shortcut(x)), or relu(F(x)) of a plain block."""
        body = self.body(x)
        if self.plain:
            return self.relu(body)
        if self.drop_path is not None:
            body = self.drop_path(body)
        return self.relu(body + (x if self.downsample is None else self.downsample(x)))


class BasicBlock(Block):
    """F: CONV3, BN, ReLU, CONV3, BN.

    Source:
        LECTURES C8; He et al. 2016, figure 5 left.
    """

    EXPANSION = 1

    def add_body(self, channels: int, width: int, stride: int) -> None:
        """Make the layers of F."""
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1, self.relu1 = nn.BatchNorm2d(width), nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def body(self, x: Tensor) -> Tensor:
        """Return F(x)."""
        return self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The norm before the sum."""
        return self.bn2


class Bottleneck(Block):
    """F: CONV1 to the width, CONV3, CONV1 to four times the width, each with BN, ReLU between them.

    Source:
        LECTURES C8; He et al. 2016, figure 5 right.
    """

    EXPANSION = 4

    def add_body(self, channels: int, width: int, stride: int) -> None:
        """Make the layers of F."""
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1, self.relu1 = nn.BatchNorm2d(width), nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2, self.relu2 = nn.BatchNorm2d(width), nn.ReLU()
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def body(self, x: Tensor) -> Tensor:
        """Return F(x)."""
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.relu2(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The norm before the sum."""
        return self.bn3


def projection(channels: int, out: int, stride: int) -> nn.Module:
    """Return CONV1 and BN: a shortcut that learns its map."""
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))


class PaddedShortcut(nn.Module):
    """Every stride-th pixel, and zeros for the new channels: a shortcut without parameters.

    Args:
        channels: Of the input.
        out: Of the output.
        stride: Between the pixels that are kept.

    Example:
        >>> import torch
        >>> PaddedShortcut(1, 2, 2)(torch.arange(16.0).reshape(1, 1, 4, 4)).flatten().tolist()
        [0.0, 2.0, 8.0, 10.0, 0.0, 0.0, 0.0, 0.0]

    Source:
        He et al. 2016, section 3.3, option A.

    Departures:
        The zeros stand behind the channels, as the paper's "extra zero entries"; some programs put half in front.
    """

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.extra, self.stride = out - channels, stride

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Return the shortcut."""
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))
