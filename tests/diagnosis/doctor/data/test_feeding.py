"""How examples reach the network: prepared differently, sorted, few, none, augmented."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from chainrule.diagnosis.doctor._source import Source
from chainrule.diagnosis.doctor.checks.data import CHECKS
from chainrule.diagnosis.doctor.labels import data as labels

Data = tuple[Tensor, Tensor, Tensor, Tensor]
Ask = Callable[..., str]
Mlp = Callable[..., nn.Module]


def pictures(data: Data) -> Data:
    x, y, xv, yv = data
    return x.reshape(-1, 1, 8, 8), y, xv.reshape(-1, 1, 8, 8), yv


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x * 255,
        lambda x: x * 2 - 4,
        lambda x: x.reshape(-1, 8, 8).transpose(1, 2).reshape(-1, 64),
        lambda x: x.reshape(-1, 8, 8).flip(2).reshape(-1, 64),
        lambda x: 1 - x,
    ],
)
def test_a_validation_prepared_otherwise(first: Ask, train: Any, digits: Data, mlp: Mlp, change: Any) -> None:
    x, y, xv, yv = digits
    assert first(train, mlp(), (x, y, change(xv), yv), epochs=3) == "validation-prepared-differently"


def test_a_validation_scaled_by_itself_a_little_is_let_be(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    x, y, xv, yv = digits
    assert first(train, mlp(), (x, y, xv * 1.05 + 0.01, yv), epochs=3) == ""


class Bag(nn.Module):
    """The mean of embedded tokens."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 16)
        self.out = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.embedding(x).mean(1))


@pytest.mark.parametrize("own", [True, False])
def test_a_vocabulary_of_each_part(first: Ask, train: Any, own: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.multinomial(1 / torch.arange(2, 202).double(), 900 * 15, replacement=True, generator=generator).reshape(
        900, 15
    )
    y = ((x % 7) == 3).sum(1).gt(1).long()
    valid = torch.randperm(200, generator=generator)[x[600:]] if own else x[600:]
    label = first(train, Bag(200), (x[:600], y[:600], valid, y[600:]), epochs=3, rate=0.02)
    assert label == ("validation-prepared-differently" if own else "")


def test_examples_sorted_by_class(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    x, y, xv, yv = digits
    order = y.argsort(stable=True)
    assert first(train, mlp(), (x[order], y[order], xv, yv), shuffle=False) == "data-not-shuffled"


def test_examples_sorted_by_their_number(found: Any, train: Any, numbers: Data) -> None:
    x, y, xv, yv = numbers
    order = y.argsort()
    net = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 1), nn.Flatten(0))
    said = found(train, net, (x[order], y[order], xv, yv), loss=F.mse_loss, shuffle=False, rate=1e-2)
    assert said["data-not-shuffled"].level == "fault"


def test_a_fixed_order_without_sorting_is_let_be(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    assert first(train, mlp(), digits, shuffle=False) == ""


def steps(loader: Any, net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()


def evaluate(net: nn.Module, x: Tensor, y: Tensor) -> None:
    net.eval()
    with torch.no_grad():
        (net(x).argmax(1) == y).float().mean().item()
    net.train()


def test_only_the_first_batch_again_and_again(first: Ask, digits: Data, mlp: Mlp) -> None:
    def run() -> None:
        net = mlp()
        loader = DataLoader(TensorDataset(*digits[:2]), batch_size=32)
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(40):
            steps([next(iter(loader))], net, optimizer)
        evaluate(net, *digits[2:])

    assert first(run) == "few-examples-again"


def test_the_first_batches_of_a_tensor_again_and_again(first: Ask, digits: Data, mlp: Mlp) -> None:
    x, y, xv, yv = digits

    def run() -> None:
        net = mlp()
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(8):
            steps([(x[i : i + 32], y[i : i + 32]) for i in range(0, 160, 32)], net, optimizer)
        evaluate(net, xv, yv)

    assert first(run) == "few-examples-again"


@pytest.mark.parametrize("wrong", [True, False])
def test_an_iterator_used_up(first: Ask, digits: Data, mlp: Mlp, tmp_path: Path, wrong: bool) -> None:
    def run() -> None:
        net = mlp()
        loader = DataLoader(TensorDataset(*digits[:2]), batch_size=32, shuffle=True)
        batches = iter(loader) if wrong else list(loader)
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(5):
            steps(batches, net, optimizer)
            evaluate(net, *digits[2:])

    program = tmp_path / "train.py"
    made = "iter(loader)" if wrong else "list(loader)"
    program.write_text(f"batches = {made}\nfor epoch in range(5):\n    for x, y in batches:\n        step(x, y)\n")
    assert first(run, source=Source.read(program)) == ("iterator-used-up" if wrong else "")
    assert first(run) == ("iterator-used-up" if wrong else "")


def test_a_loader_without_batches(first: Ask, digits: Data, mlp: Mlp) -> None:
    def run() -> None:
        net = mlp()
        loader = DataLoader(TensorDataset(*digits[:2]), batch_size=2048, drop_last=True)
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(5):
            steps(loader, net, optimizer)
            evaluate(net, *digits[2:])

    assert first(run) == "no-steps"


def convolution() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10))


def turned(x: Tensor) -> Tensor:
    for axis in (-1, -2):
        some = torch.rand(len(x), 1, 1, 1) < 0.5
        x = torch.where(some, x.flip(axis), x)
    return x


def test_digits_mirrored_and_upside_down(first: Ask, train: Any, digits: Data) -> None:
    data = pictures(digits)
    assert first(train, convolution(), data, change=turned, epochs=3, rate=1e-2) == "augmentation-breaks-label"


def test_mild_noise_is_let_be(first: Ask, train: Any, digits: Data) -> None:
    def noise(x: Tensor) -> Tensor:
        return x + 0.05 * torch.randn_like(x)

    assert first(train, convolution(), pictures(digits), change=noise, epochs=3, rate=1e-2) == ""


def test_augmentation_before_the_batch_is_seen_in_the_examples(first: Ask, train: Any, digits: Data) -> None:
    x, y, xv, yv = pictures(digits)
    x = x[:300]
    x = torch.cat(
        [x, x.flip(-2), x.flip(-1), x.flip(-1, -2)]
    )  # as a dataset would that turns pictures before anybody sees them
    data = (x, y[:300].repeat(4), xv, yv)
    assert first(train, convolution(), data, epochs=3, rate=1e-2) == "augmentation-breaks-label"


def test_augmentation_in_evaluation(first: Ask, train: Any, digits: Data) -> None:
    def moved(x: Tensor) -> Tensor:
        return torch.roll(
            x, (int(torch.randint(-1, 2, ())), int(torch.randint(-1, 2, ()))), (2, 3)
        ) + 0.2 * torch.randn_like(x)

    data = pictures(digits)
    assert first(train, convolution(), data, change_valid=moved, epochs=4) == "augmentation-in-evaluation"


def test_every_label_that_a_check_gives_is_explained() -> None:
    given = {label for each in CHECKS for label in each.labels}
    assert given == set(labels.LABELS)
