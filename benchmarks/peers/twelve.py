"""Twelve networks that tables of layers get wrong: (network, inputs) by name, plain PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """An identity module in the skip, one ReLU used three times."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b = (nn.Conv2d(c, 16, 3, padding=1) for c in (3, 16, 16))
        self.skip, self.relu = nn.Identity(), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        return self.relu(self.b(self.relu(self.a(x))) + self.skip(x))


class Twice(nn.Module):
    """One layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x))


class Tied(nn.Module):
    """Words in and out with one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.mix, self.out = nn.Embedding(100, 32), nn.Linear(32, 32), nn.Linear(32, 100, bias=False)
        self.out.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.mix(self.embedding(x)))


class Recurrent(nn.Module):
    """An LSTM over time."""

    def __init__(self, kind: type[nn.Module], **options: Any) -> None:
        super().__init__()
        self.layer = kind(16, 32, batch_first=True, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


class ByHand(nn.Module):
    """Attention as products of matrices and an einsum."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(32, 96)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        weights = torch.softmax(q @ k.transpose(1, 2) / 32**0.5, -1)
        return torch.einsum("bqk,bkd->bqd", weights, v)


class Functional(nn.Module):
    """Filters that are parameters, and functions in place of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.filters, self.matrix = nn.Parameter(torch.rand(8, 3, 3, 3)), nn.Parameter(torch.rand(8, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(torch.relu(functional.conv2d(x, self.filters, padding=1)), 2)
        return x.mean((2, 3)) @ self.matrix


class UNet(nn.Module):
    """Down, up by a transposed convolution, joined with the skip."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.low = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.up, self.out = nn.ConvTranspose2d(16, 8, 2, stride=2), nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        high = torch.relu(self.down(x))
        return self.out(torch.cat([high, self.up(torch.relu(self.low(high)))], 1))


def _separable() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=16),
        nn.ReLU(), nn.Conv2d(16, 32, 1), nn.Upsample(scale_factor=2), nn.Conv2d(32, 4, 3, padding=1),
    )  # fmt: skip


def _plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(),
        nn.MaxPool2d(2, ceil_mode=True), nn.Flatten(), nn.Linear(32 * 49, 10),
    )  # fmt: skip


_IMAGE, _SERIES, _WORDS = (1, 3, 32, 32), (1, 20, 16), (1, 12)

TWELVE: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor]]] = {
    "plain convnet": (_plain, lambda: torch.randn(_IMAGE)),
    "identity in a skip, one ReLU thrice": (Residual, lambda: torch.randn(_IMAGE)),
    "one layer called twice": (Twice, lambda: torch.randn(_IMAGE)),
    "tied words": (Tied, lambda: torch.randint(100, _WORDS)),
    "LSTM": (lambda: Recurrent(nn.LSTM), lambda: torch.randn(_SERIES)),
    "GRU, both ways, two layers": (
        lambda: Recurrent(nn.GRU, num_layers=2, bidirectional=True),
        lambda: torch.randn(_SERIES),
    ),
    "transformer layer": (
        lambda: nn.TransformerEncoderLayer(32, 4, 64, batch_first=True),
        lambda: torch.randn(1, 20, 32),
    ),
    "attention by hand": (ByHand, lambda: torch.randn(1, 20, 32)),
    "functions and bare parameters": (Functional, lambda: torch.randn(_IMAGE)),
    "U-Net": (UNet, lambda: torch.randn(_IMAGE)),
    "depthwise, dilated, upsampled": (_separable, lambda: torch.randn(_IMAGE)),
    "one-dimensional": (
        lambda: nn.Sequential(
            nn.Conv1d(16, 8, 5, stride=2, padding=2), nn.ReLU(), nn.ConvTranspose1d(8, 4, 4, stride=2)
        ),
        lambda: torch.randn(1, 16, 21),
    ),
}
