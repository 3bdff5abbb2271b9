"""The ten networks of `../trace.py`: each name -> (network, inputs), the same in every process."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """Two convolutions with batch norm, and the input added to them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.norm1, self.norm2, self.head = nn.BatchNorm2d(3), nn.BatchNorm2d(3), nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.first(x)))
        y = functional.relu(x + self.norm2(self.second(y)))
        return self.head(y.mean(dim=(2, 3)))


class Reused(nn.Module):
    """One layer and one activation, called four times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.relu = nn.Linear(6, 6), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(4):
            x = self.relu(self.layer(x)) + x
        return x


class Functional(nn.Module):
    """No layer: weights, and functions of torch's."""

    def __init__(self) -> None:
        super().__init__()
        self.w1, self.w2 = nn.Parameter(torch.randn(6, 8)), nn.Parameter(torch.randn(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(x @ self.w1)
        h = h * torch.sigmoid(h) / (1 + h.abs())
        return functional.log_softmax(h @ self.w2, dim=1)


class Branches(nn.Module):
    """Three branches that are joined."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.three, self.pooled = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.pooled(functional.max_pool2d(x, 3, stride=1, padding=1))
        return functional.elu(torch.cat([self.one(x), self.three(x), pooled], dim=1)).flatten(1).sum(1)


class Stepping(nn.Module):
    """A cell, ten times."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.RNNCell(4, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(x.shape[1], 6)
        for step in x:
            h = self.cell(step, h)
        return self.out(h)


class Fused(nn.Module):
    """Two layers of LSTM in one operation."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(4, 6, num_layers=2), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.lstm(x)
        return self.out(outputs[-1])


class Attention(nn.Module):
    """Causal self-attention with two heads, written out."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        n, t, d = x.shape
        q, k, v = (part.view(n, t, 2, d // 2).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, dim=2))
        scores = q @ k.transpose(2, 3) / (d // 2) ** 0.5
        hidden = torch.triu(torch.ones(t, t, dtype=torch.bool), 1)
        weights = torch.softmax(scores.masked_fill(hidden, float("-inf")), dim=3)
        return x + self.out((weights @ v).transpose(1, 2).reshape(n, t, d))


class Cubed(torch.autograd.Function):
    """x^3, with its derivative by hand."""

    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, dout):  # type: ignore[no-untyped-def]
        return 3 * ctx.saved_tensors[0] ** 2 * dout


class Custom(nn.Module):
    """A function with a derivative of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(Cubed.apply(self.first(x)) + x)


class Views(nn.Module):
    """Changes in place, of parts of a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        y[:, 0] = x[:, 1] * 2
        y[:, 3:].mul_(3)
        y += x
        return y.relu_() * y[:, 2:3]


def sequential() -> nn.Module:
    """Activations in place, in a plain chain."""
    return nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 8), nn.ReLU(inplace=True), nn.Linear(8, 3)
    )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "in place": (sequential, (4, 6)),
    "residual": (Residual, (4, 3, 8, 8)),
    "reused": (Reused, (4, 6)),
    "functional": (Functional, (4, 6)),
    "branches": (Branches, (2, 3, 8, 8)),
    "cell in a loop": (Stepping, (10, 3, 4)),
    "fused LSTM": (Fused, (7, 3, 4)),
    "attention": (Attention, (2, 5, 8)),
    "own derivative": (Custom, (4, 5)),
    "views in place": (Views, (4, 6)),
}


def made(name: str) -> tuple[nn.Module, Tensor]:
    """A network and its input, drawn from one seed."""
    torch.manual_seed(0)
    build, shape = NETWORKS[name]
    return build(), torch.randn(shape)
