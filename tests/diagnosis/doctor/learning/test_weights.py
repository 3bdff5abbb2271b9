"""Whose weights are moved, kept and evaluated."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Data = tuple[Tensor, Tensor]
First = Callable[..., tuple[str, str]]
Above = Callable[..., list[str]]


class Net(nn.Module):
    def __init__(self, listed: bool = False) -> None:
        super().__init__()
        layers = [nn.Linear(64, 40), nn.Linear(40, 40)]
        self.layers: Any = layers if listed else nn.ModuleList(layers)
        self.head = nn.Linear(40, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x)


def fit(digits: Data, net: nn.Module, parameters: Iterable[Tensor], epochs: int = 2) -> None:
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    for _ in range(epochs):
        for batch in torch.randperm(1200).split(40):
            optimizer.zero_grad()
            F.cross_entropy(net(digits[0][batch]), digits[1][batch]).backward()
            optimizer.step()


def accuracy(digits: Data, net: nn.Module) -> float:
    with torch.no_grad():
        return float((net(digits[0][1200:]).argmax(1) == digits[1][1200:]).float().mean())


def test_an_optimizer_of_another_model(digits: Data, first: First) -> None:
    assert first(lambda: fit(digits, Net(), Net().parameters())) == ("optimizer-of-another-model", "fault")


def test_a_part_of_the_parameters(digits: Data, first: First, above: Above) -> None:
    def training(freeze: bool) -> None:
        net = Net()
        fit(digits, net, net.parameters())
        for parameter in net.layers.parameters():
            parameter.requires_grad_(not freeze)
        fit(digits, net, net.head.parameters())

    def left_out() -> None:
        net = Net()
        fit(digits, net, net.head.parameters())

    assert first(left_out) == ("parameters-left-out", "fault")
    assert above(lambda: training(True)) == []
    assert above(lambda: training(False)) == []


def test_a_trunk_that_was_trained_elsewhere_may_stay(digits: Data, above: Above) -> None:
    trained = Net()
    fit(digits, trained, trained.parameters(), epochs=12)
    assert above(lambda: fit(digits, trained, trained.head.parameters())) == []


def test_frozen_as_drawn(digits: Data, first: First) -> None:
    def training() -> None:
        net = Net()
        for parameter in net.layers.parameters():
            parameter.requires_grad_(False)
        fit(digits, net, net.head.parameters())

    assert first(training) == ("frozen-at-random", "fault")


def test_an_optimizer_for_each_batch(digits: Data, first: First, above: Above) -> None:
    def training(again: bool) -> None:
        net = Net()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        for batch in torch.randperm(1200).split(20):
            if again:
                optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
            optimizer.zero_grad()
            F.cross_entropy(net(digits[0][batch]), digits[1][batch]).backward()
            optimizer.step()

    assert first(lambda: training(True)) == ("optimizer-made-anew", "fault")
    assert above(lambda: training(False)) == []


def test_best_weights(digits: Data, first: First, above: Above) -> None:
    def training(copied: bool) -> None:
        net, best, kept = Net(), -1.0, None
        for _ in range(3):
            fit(digits, net, net.parameters(), epochs=1)
            if (now := accuracy(digits, net)) > best:
                best = now
                kept = copy.deepcopy(net.state_dict()) if copied else net.state_dict()
        assert kept is not None
        net.load_state_dict(kept)
        accuracy(digits, net)

    assert first(lambda: training(False)) == ("best-weights-not-copied", "fault")
    assert "best-weights-not-copied" not in above(lambda: training(True))


def test_another_model_is_evaluated(digits: Data, first: First, above: Above) -> None:
    def training(kind: str) -> None:
        net = Net()
        other = Net() if kind == "fresh" else copy.deepcopy(net)
        fit(digits, net, net.parameters())
        if kind == "average":
            with torch.no_grad():
                accuracy(digits, other)
                for mine, theirs in zip(other.parameters(), net.parameters()):
                    mine.lerp_(theirs, 0.9)
        accuracy(digits, copy.deepcopy(net) if kind == "after" else other)

    assert first(lambda: training("copy")) == ("evaluated-another-model", "fault")
    assert first(lambda: training("fresh")) == ("evaluated-another-model", "fault")
    assert above(lambda: training("average")) == []
    assert above(lambda: training("after")) == []


def test_losses_and_states_that_are_kept(digits: Data, above: Above, first: First) -> None:
    def sums(item: bool) -> None:
        net = Net()
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        total: Any = 0.0
        for batch in torch.randperm(1200).split(30):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(digits[0][batch]), digits[1][batch])
            loss.backward()
            optimizer.step()
            total = total + (loss.item() if item else loss)

    def history(item: bool) -> None:
        net, losses = Net(), []
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for batch in torch.randperm(1200).split(20):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(digits[0][batch]), digits[1][batch])
            loss.backward()
            optimizer.step()
            losses.append(loss.item() if item else loss)

    def states(detached: bool) -> None:
        cell, head = nn.GRUCell(8, 16), nn.Linear(16, 10)
        optimizer = torch.optim.Adam([*cell.parameters(), *head.parameters()], lr=3e-3)
        state = torch.zeros(20, 16)
        for batch in torch.randperm(400).split(20):
            optimizer.zero_grad()
            state = cell(digits[0][batch][:, :8], state.detach() if detached else state)
            F.cross_entropy(head(state), digits[1][batch]).backward()
            optimizer.step()

    for training in (sums, history):
        assert above(lambda training=training: training(False)) == ["graph-kept"], training.__name__
        assert above(lambda training=training: training(True)) == [], training.__name__
    assert first(lambda: states(False)) == ("state-keeps-graph", "fault")
    assert "state-keeps-graph" not in above(lambda: states(True))
