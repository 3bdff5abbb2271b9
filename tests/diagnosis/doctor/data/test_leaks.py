"""What the validation should not have seen: training examples, the target, a choice made with its labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Data = tuple[Tensor, Tensor, Tensor, Tensor]
Ask = Callable[..., str]
Mlp = Callable[..., nn.Module]


def regression(inputs: int = 6) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 48), nn.ReLU(), nn.Linear(48, 1), nn.Flatten(0))


def test_validation_examples_among_those_of_training(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    x, y, xv, yv = digits
    mixed = (torch.cat([x, xv[:200]]), torch.cat([y, yv[:200]]), xv, yv)
    assert first(train, mlp(), mixed, epochs=2) == "validation-among-training"


def test_accuracy_on_the_training_set_beside_the_validation_is_let_be(
    first: Ask, train: Any, digits: Data, mlp: Mlp
) -> None:
    net = mlp()

    def run() -> None:
        train(net, digits, epochs=2)
        with torch.no_grad():
            for x, y in ((digits[0], digits[1]), (digits[2], digits[3])):
                (net(x).argmax(1) == y).float().mean().item()

    assert first(run) == ""


def test_copies_with_noise(first: Ask, train: Any, numbers: Data) -> None:
    x, y, _, _ = numbers
    noisy = x + 0.01 * torch.randn(x.shape)
    data = (x, y, noisy[:300], y[:300])
    assert first(train, regression(), data, loss=F.mse_loss, epochs=2) == "validation-nearly-training"


@pytest.mark.parametrize("shuffled", [True, False])
def test_overlapping_windows(first: Ask, train: Any, shuffled: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    series = torch.sin(torch.arange(1000) / 4) + 0.3 * torch.randn(1000, generator=generator)
    x, y = series.unfold(0, 16, 1)[:-1], series[16:]
    order = torch.randperm(len(x), generator=generator) if shuffled else torch.arange(len(x))
    train_part, valid_part = order[:750], order[770:] if not shuffled else order[750:]
    data = (x[train_part], y[train_part], x[valid_part], y[valid_part])
    label = first(train, regression(16), data, loss=F.mse_loss, epochs=2)
    assert label == ("windows-overlap" if shuffled else "")


@pytest.mark.parametrize("reach", [0, 1])
def test_windows_that_hold_the_future(first: Ask, train: Any, reach: int) -> None:
    generator = torch.Generator().manual_seed(0)
    series = torch.sin(torch.arange(1400) / 4) + 0.2 * torch.randn(1400, generator=generator)

    def windows(values: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.stack([values[i + reach : i + reach + 12] for i in range(len(values) - 13)])
        return x[:, :, None], values[12:-1]

    data = (*windows(series[:1000]), *windows(series[1000:]))
    label = first(train, regression(12), data, loss=F.mse_loss, epochs=2)
    assert label == ("future-in-window" if reach else "")


@pytest.mark.parametrize(
    "change", [lambda y: y, torch.exp, lambda y: -3 * y + 1, lambda y: y + 0.05 * torch.randn(len(y))]
)
def test_a_column_made_of_the_target(first: Ask, train: Any, numbers: Data, change: Any) -> None:
    x, y, xv, yv = numbers
    data = (torch.cat([x, change(y)[:, None]], 1), y, torch.cat([xv, change(yv)[:, None]], 1), yv)
    assert first(train, regression(7), data, loss=F.mse_loss, epochs=2) == "target-among-inputs"


def test_two_columns_that_make_the_target(first: Ask, train: Any, numbers: Data) -> None:
    x, y, xv, yv = numbers
    x, xv = x[:, 2:].clone(), xv[:, 2:].clone()
    x[:, 3], xv[:, 3] = x[:, 3].abs() + 1, xv[:, 3].abs() + 1
    data = (torch.cat([x, (y / x[:, 3])[:, None]], 1), y, torch.cat([xv, (yv / xv[:, 3])[:, None]], 1), yv)
    assert first(train, regression(5), data, loss=F.mse_loss, epochs=2) == "target-among-inputs"


def test_the_class_written_into_a_pixel(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    x, y, xv, yv = digits
    x, xv = x.clone(), xv.clone()
    x[:, 0], xv[:, 0] = y / 9, yv / 9
    assert first(train, mlp(), (x, y, xv, yv), epochs=2) == "target-among-inputs"


def genes(*, honest: bool) -> Data:
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(240, 2000, generator=generator)
    y = torch.randint(2, (240,), generator=generator)
    chosen = slice(None, 140) if honest else slice(None)
    part, labels = table[chosen], y[chosen]
    difference = (part[labels == 1].mean(0) - part[labels == 0].mean(0)).abs()
    table = table[:, difference.topk(25).indices]
    return table[:140], y[:140], table[140:], y[140:]


def test_columns_chosen_with_all_labels(first: Ask, found: Any, train: Any, mlp: Mlp) -> None:
    assert first(train, mlp(25, 2), genes(honest=False), epochs=2) == "selection-before-split"
    assert "selection-before-split" not in found(train, mlp(25, 2), genes(honest=True), epochs=2)


@pytest.mark.parametrize("honest", [True, False])
def test_categories_coded_by_targets(first: Ask, train: Any, honest: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    group = torch.randint(60, (600,), generator=generator)
    y = torch.randn(60, generator=generator)[group] + torch.randn(600, generator=generator)
    cut = slice(None, 400) if honest else slice(None)
    code = torch.zeros(60).index_add_(0, group[cut], y[cut]) / torch.bincount(group[cut], minlength=60).clamp_min(1)
    x = torch.cat([code[group][:, None], torch.randn(600, 4, generator=generator)], 1)
    data = (x[:400], y[:400], x[400:], y[400:])
    label = first(train, regression(5), data, loss=F.mse_loss, epochs=2)
    assert label == ("" if honest else "target-code-of-all-rows")
