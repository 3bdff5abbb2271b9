"""Modes, dropout, batch normalization, and examples one at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Data = tuple[Tensor, Tensor]
First = Callable[..., tuple[str, str]]
Above = Callable[..., list[str]]


class Dropping(nn.Module):
    def __init__(self, share: float, always: bool) -> None:
        super().__init__()
        self.hidden, self.head, self.share, self.always = nn.Linear(64, 64), nn.Linear(64, 10), share, always

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.hidden(x))
        return self.head(F.dropout(x, self.share) if self.always else F.dropout(x, self.share, self.training))


def normalizing(momentum: float = 0.1) -> nn.Module:
    return nn.Sequential(nn.Linear(64, 40), nn.BatchNorm1d(40, momentum=momentum), nn.ReLU(), nn.Linear(40, 10))


def fit(
    digits: Data,
    net: nn.Module,
    *,
    train: str = "each",
    evaluate: bool = True,
    no_grad: bool = True,
    size: int = 30,
    times: int = 1,
    epochs: int = 4,
) -> None:
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(epochs):
        if train == "each" or (train == "once" and epoch == 0):
            net.train()
        for batch in torch.randperm(1200).split(size):
            optimizer.zero_grad()
            F.cross_entropy(net(digits[0][batch]), digits[1][batch]).backward()
            optimizer.step()
        if evaluate:
            net.eval()
        with torch.set_grad_enabled(not no_grad):
            for _ in range(times):
                (net(digits[0][1200:]).argmax(1) == digits[1][1200:]).float().mean()


@pytest.mark.parametrize("no_grad", [True, False])
def test_evaluated_in_training_mode(digits: Data, first: First, above: Above, no_grad: bool) -> None:
    for make in (lambda: Dropping(0.4, False), normalizing):
        found = first(lambda make=make: fit(digits, make(), evaluate=False, no_grad=no_grad))
        assert found == ("evaluated-in-training-mode", "fault")
        assert above(lambda make=make: fit(digits, make(), no_grad=no_grad)) == []


def test_networks_without_modes_need_none(digits: Data, above: Above) -> None:
    def training() -> None:
        fit(digits, nn.Sequential(nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 10)), evaluate=False, train="never")

    assert above(training) == []


def test_dropout_that_is_averaged_is_meant(digits: Data, above: Above) -> None:
    assert above(lambda: fit(digits, Dropping(0.2, False), evaluate=False, times=8)) == []


def test_trained_in_evaluation_mode(digits: Data, first: First) -> None:
    for make in (lambda: Dropping(0.4, False), normalizing):
        assert first(lambda make=make: fit(digits, make(), train="once")) == ("trained-in-evaluation-mode", "fault")


def test_dropout_that_is_too_strong(digits: Data, first: First, above: Above) -> None:
    assert first(lambda: fit(digits, Dropping(0.98, False))) == ("dropout-too-strong", "fault")
    assert above(lambda: fit(digits, Dropping(0.5, False))) == []


def test_statistics_of_batch_normalization(digits: Data, first: First, above: Above) -> None:
    assert first(lambda: fit(digits, normalizing(1e-4))) == ("batch-norm-statistics-off", "fault")
    assert first(lambda: fit(digits, normalizing(), size=2, epochs=1))[0] == "batch-norm-tiny-batch"
    assert above(lambda: fit(digits, normalizing())) == []


def test_one_example_at_a_time(digits: Data, first: First, above: Above) -> None:
    def training(alone: bool) -> None:
        net = nn.Sequential(nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 10))
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(3):
            for batch in torch.randperm(600).split(20):
                x, y = digits[0][batch], digits[1][batch]
                scores = torch.cat([net(x[i : i + 1]) for i in range(len(x))]) if alone else net(x)
                optimizer.zero_grad()
                F.cross_entropy(scores, y).backward()
                optimizer.step()

    assert first(lambda: training(True)) == ("one-example-at-a-time", "fault")
    assert above(lambda: training(False)) == []
