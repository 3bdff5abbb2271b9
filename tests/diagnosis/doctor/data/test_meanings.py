"""Inputs and targets that are there, and do not mean what they should."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chainrule.diagnosis.doctor._source import Source
from chainrule.diagnosis.doctor.findings import Finding

Data = tuple[Tensor, Tensor, Tensor, Tensor]
Ask = Callable[..., str]
Found = Callable[..., dict[str, Finding]]
Mlp = Callable[..., nn.Module]


def regression(inputs: int = 6) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 48), nn.ReLU(), nn.Linear(48, 1), nn.Flatten(0))


@pytest.mark.parametrize(("shift", "axis"), [(2, 1), (1, 1), (2, 0)])
def test_targets_shifted_once_and_twice(first: Ask, shift: int, axis: int) -> None:
    text = torch.randint(0, 12, (3000,))
    for place in range(2, 3000):
        if place % 3:
            text[place] = (text[place - 1] + text[place - 2]) % 12

    def run() -> None:
        net = nn.Sequential(nn.Embedding(12, 16), nn.Linear(16, 12))
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
        for _ in range(30):
            starts = torch.randint(len(text) - 19, (16,)).tolist()
            pieces = torch.stack([text[s : s + 18] for s in starts])
            pieces = pieces if axis else pieces.T
            x, y = pieces.narrow(axis, 0, 17), pieces.narrow(axis, 1, 17)
            scores = net(x)
            if shift == 2:
                scores, y = scores.narrow(axis, 0, 16), y.narrow(axis, 1, 16)
            optimizer.zero_grad()
            F.cross_entropy(scores.flatten(0, 1), y.flatten()).backward()
            optimizer.step()

    assert first(run) == ("target-shifted-twice" if shift == 2 else "")


@pytest.mark.parametrize("cut", [True, False])
def test_targets_cut_to_whole_numbers(first: Ask, train: Any, numbers: Data, cut: bool) -> None:
    x, y, xv, yv = numbers
    data = (x, y.long().float() if cut else y, xv, yv)
    assert first(train, regression(), data, loss=F.mse_loss) == ("targets-cut-to-whole-numbers" if cut else "")


@pytest.mark.parametrize("noise", ["target", "input"])
def test_a_denoiser_that_is_compared_with_its_input(first: Ask, digits: Data, noise: str) -> None:
    clean, valid = digits[0], digits[2]

    def run() -> None:
        net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 64))
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        for x in clean.split(40):
            noisy = x + 0.3 * torch.randn(x.shape)
            optimizer.zero_grad()
            F.mse_loss(net(noisy), noisy if noise == "target" else x).backward()
            optimizer.step()
        with torch.no_grad():
            F.mse_loss(net(valid + 0.3 * torch.randn(valid.shape)), valid).item()

    assert first(run) == ("input-as-target" if noise == "target" else "")


@pytest.mark.parametrize("wrapped", [True, False])
def test_bytes_that_wrap_around(found: Found, train: Any, digits: Data, mlp: Mlp, wrapped: bool) -> None:
    text = "images = np.frombuffer(f.read(), np.uint8)\nx = torch.tensor(images - 100, dtype=torch.float32)\n"

    def pixels(x: Tensor) -> Tensor:
        values = (x * 255).round() + 3 * torch.rand(x.shape).round()
        values = values.clamp(0, 255) - 100
        return (values % 256 if wrapped else values) / 100

    x, y, xv, yv = digits
    torch.manual_seed(0)
    x, xv = x.clamp(0, 1) ** 0.8, xv.clamp(0, 1) ** 0.8
    x = (x + 0.3 * torch.rand(x.shape)).clamp(0, 1)
    said = found(train, mlp(), (pixels(x), y, pixels(xv), yv), source=Source.of(Path("train.py"), text))
    assert ("bytes-wrap-around" in said) == wrapped


@pytest.mark.parametrize("ids", [True, False])
def test_letters_as_sizes(first: Ask, ids: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 24, (1200, 8), generator=generator)
    ends = torch.rand(24, generator=generator).round() if ids else (torch.arange(24) > 11).float()
    y = ends[x]

    class Numbers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 1))

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.net(x.float().unsqueeze(-1) / 12 - 1).squeeze(-1)
            return found

    def run() -> None:
        net = Numbers()
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
        for _ in range(2):
            for i in range(0, 1000, 40):
                optimizer.zero_grad()
                F.binary_cross_entropy_with_logits(net(x[i : i + 40]), y[i : i + 40]).backward()
                optimizer.step()

    assert first(run) == ("ids-as-numbers" if ids else "")


@pytest.mark.parametrize("scaled", [True, False])
def test_a_column_of_categories(first: Ask, train: Any, scaled: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    city, others = torch.randint(0, 20, (1400,), generator=generator), torch.randn(1400, 3, generator=generator)
    y = torch.randn(20, generator=generator)[city] + 0.3 * others[:, 0]
    column = city.float()[:, None]
    x = torch.cat([(column - 10) / 6 if scaled else column, others], 1)
    data = (x[:1100], y[:1100], x[1100:], y[1100:])
    assert first(train, regression(4), data, loss=F.mse_loss, epochs=2) == "ids-as-numbers"


@pytest.mark.parametrize("weighted", [True, False])
def test_a_rare_class(first: Ask, train: Any, digits: Data, mlp: Mlp, weighted: bool) -> None:
    x, y, xv, yv = digits
    y, yv = (y == 9).long(), (yv == 9).long()
    kept = torch.cat([(y == 0).nonzero()[:, 0], (y == 1).nonzero()[:20, 0]])
    kept = kept[torch.randperm(len(kept))]
    weight = torch.tensor([0.5, 20.0])

    def loss(scores: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(scores, labels, weight=weight if weighted else None)

    data = (x[kept], y[kept], xv, yv)
    label = first(train, mlp(64, 2), data, loss=loss, epochs=6 if weighted else 3, rate=3e-3 if weighted else 5e-4)
    assert label == ("" if weighted else "rare-class-neglected")


@pytest.mark.parametrize("part", ["training", "validation"])
def test_labels_of_which_many_are_wrong(first: Ask, train: Any, digits: Data, mlp: Mlp, part: str) -> None:
    x, y, xv, yv = digits
    if part == "training":
        y = torch.where(torch.rand(len(y)) < 0.4, torch.randint(0, 10, y.shape), y)
    else:
        yv = yv[torch.randperm(len(yv))]
    assert first(train, mlp(), (x, y, xv, yv), epochs=2) == "labels-partly-wrong"


@pytest.mark.parametrize("axis", [0, 1])
def test_examples_scaled_by_themselves(first: Ask, train: Any, mlp: Mlp, axis: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(900, 6, generator=generator) * 0.5 + torch.tensor([0.0, 1.0, 5.0, 10.0, 100.0, 3.0])
    y = (x[:, 0] + x[:, 1] > 1).long()
    x = (x - x.mean(axis, keepdim=True)) / x.std(axis, keepdim=True)
    label = first(train, mlp(6, 2), (x[:700], y[:700], x[700:], y[700:]), epochs=3)
    assert label == ("scaled-over-wrong-axis" if axis else "")
