"""What is kept, judged and evaluated in place of the last weights; and steps that are not what they seem."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import lr_scheduler
from torch.optim.swa_utils import update_bn

Data = tuple[Tensor, Tensor]
First = Callable[..., tuple[str, str]]
Above = Callable[..., list[str]]


def network(normalized: bool = False) -> nn.Module:
    norm = [nn.BatchNorm1d(32)] if normalized else []
    return nn.Sequential(nn.Linear(64, 32), *norm, nn.ReLU(), nn.Linear(32, 10))


def learn(digits: Data, net: nn.Module, optimizer: Any, size: int = 40, **options: Any) -> float:
    """An epoch; the mean of the last losses."""
    losses = []
    for batch in torch.randperm(1200).split(size):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(digits[0][batch].to(options.get("dtype"))).float(), digits[1][batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses[-5:]) / 5


def accuracy(digits: Data, net: nn.Module) -> float:
    net.eval()
    with torch.no_grad():
        return float((net(digits[0][1200:]).argmax(1) == digits[1][1200:]).float().mean())


@pytest.mark.parametrize(("decay", "found"), [(0.9999, "average-too-slow"), (0.9, "")])
def test_averages_of_weights(digits: Data, first: First, above: Above, decay: float, found: str) -> None:
    def training() -> None:
        net = network()
        average = copy.deepcopy(net).requires_grad_(False)
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(4):
            learn(digits, net, optimizer)
            with torch.no_grad():
                for _ in range(30):
                    for mine, theirs in zip(average.parameters(), net.parameters()):
                        mine.lerp_(theirs, 1 - decay)
            accuracy(digits, average)

    assert first(training) == (found, "fault") if found else above(training) == []


def test_an_average_needs_statistics_of_its_own(digits: Data, first: First, above: Above) -> None:
    def training(updated: bool) -> None:
        net = network(normalized=True)
        average, optimizer = copy.deepcopy(net), torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(5):
            net.train()
            learn(digits, net, optimizer)
            with torch.no_grad():
                for mine, theirs in zip(average.parameters(), net.parameters()):
                    mine.lerp_(theirs, 0.8)
        if updated:
            update_bn(digits[0][:1200].split(100), average)
        accuracy(digits, average)

    assert first(lambda: training(False)) == ("average-without-statistics", "fault")
    assert above(lambda: training(True)) == []


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_plateau_has_a_direction(digits: Data, first: First, above: Above, mode: str) -> None:
    def training() -> None:
        net = network()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
        plan = lr_scheduler.ReduceLROnPlateau(optimizer, mode=mode, patience=0)
        for _ in range(8):
            plan.step(learn(digits, net, optimizer))

    assert first(training) == ("plateau-in-wrong-mode", "fault") if mode == "max" else above(training) == []


def test_backward_after_the_loop(digits: Data, first: First, above: Above) -> None:
    def training(inside: bool, added: bool = False) -> None:
        net = network()
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(6):
            total = loss = torch.zeros(())
            for batch in torch.randperm(1200).split(60):
                loss = F.cross_entropy(net(digits[0][batch]), digits[1][batch])
                total = total + (loss if added else loss.detach())
                if inside:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
            if not inside:
                optimizer.zero_grad()
                ((total / 20) if added else loss).backward()
                optimizer.step()

    assert first(lambda: training(False)) == ("batches-without-backward", "fault")
    assert first(lambda: training(False, added=True)) == ("one-step-an-epoch", "fault")
    assert above(lambda: training(True)) == []


def test_a_loss_whose_gradients_are_cleared_away(digits: Data, first: First, above: Above) -> None:
    def training(cleared: bool) -> None:
        net = network()
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for batch in torch.randperm(1200).split(40):
            optimizer.zero_grad()
            scores = net(digits[0][batch])
            F.cross_entropy(scores, digits[1][batch]).backward(retain_graph=True)
            if cleared:
                optimizer.zero_grad()
            (1e-3 * scores.square().mean()).backward()
            optimizer.step()

    assert first(lambda: training(True)) == ("loss-cleared-away", "fault")
    assert above(lambda: training(False)) == []


def test_steps_uphill(digits: Data, first: First, above: Above) -> None:
    def by_rule(maximize: bool) -> None:
        net = network()
        learn(digits, net, torch.optim.SGD(net.parameters(), lr=0.02, maximize=maximize))

    def by_hand(sign: float) -> None:
        w = (0.1 * torch.randn(64, 10)).requires_grad_()
        for batch in torch.randperm(1200).split(40):
            (gradient,) = torch.autograd.grad(F.cross_entropy(digits[0][batch] @ w, digits[1][batch]), [w])
            with torch.no_grad():
                w += sign * 0.1 * gradient

    assert first(lambda: by_rule(True)) == ("steps-uphill", "fault")
    assert first(lambda: by_hand(1.0)) == ("steps-uphill", "fault")
    assert above(lambda: by_rule(False)) == above(lambda: by_hand(-1.0)) == []


def test_a_network_for_each_epoch(digits: Data, first: First, above: Above) -> None:
    def training(anew: bool) -> None:
        net = network()
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(4):
            if anew:
                net = network()
                optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
            learn(digits, net, optimizer)

    def folds() -> None:
        x, y = digits
        for fold in range(3):
            net = network()
            optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
            mine = torch.arange(1200)[torch.arange(1200) % 3 != fold]
            for _ in range(3):
                for batch in mine[torch.randperm(800)].split(40):
                    optimizer.zero_grad()
                    F.cross_entropy(net(x[batch]), y[batch]).backward()
                    optimizer.step()

    assert first(lambda: training(True)) == ("model-made-anew", "fault")
    assert above(lambda: training(False)) == above(folds) == []


def test_names_that_do_not_agree(digits: Data, first: First, above: Above) -> None:
    def training(prefix: str) -> None:
        trained, net = network(), network()
        learn(digits, trained, torch.optim.Adam(trained.parameters(), lr=3e-3))
        net.load_state_dict({prefix + k: v for k, v in trained.state_dict().items()}, strict=False)
        learn(digits, net, torch.optim.Adam(net.parameters(), lr=3e-3))

    assert first(lambda: training("module.")) == ("weights-not-loaded", "fault")
    assert above(lambda: training("")) == []


def test_weights_of_few_bits(digits: Data, first: First, above: Above) -> None:
    def training(rate: float) -> None:
        net = network().to(torch.bfloat16)
        optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
        for _ in range(3):
            learn(digits, net, optimizer, dtype=torch.bfloat16)

    assert first(lambda: training(1e-4)) == ("updates-lost-to-rounding", "fault")
    assert above(lambda: training(0.1)) == []


def test_a_group_without_a_rate(digits: Data, first: First, above: Above) -> None:
    def training(rate: float) -> None:
        net = network()
        groups = [{"params": net[0].parameters(), "lr": rate}, {"params": net[2].parameters()}]  # type: ignore[index]
        learn(digits, net, torch.optim.SGD(groups, lr=0.2, momentum=0.5))

    assert first(lambda: training(0.0)) == ("rate-is-zero", "fault")
    assert above(lambda: training(0.1)) == []


def test_a_cosine_that_goes_around(digits: Data, above: Above) -> None:
    def training(length: int) -> None:
        net = network()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
        plan = lr_scheduler.CosineAnnealingLR(optimizer, length)
        for batch in torch.randperm(1200).split(20):
            optimizer.zero_grad()
            F.cross_entropy(net(digits[0][batch]), digits[1][batch]).backward()
            optimizer.step()
            plan.step()

    assert above(lambda: training(5)) == ["schedule-goes-around"]
    assert above(lambda: training(60)) == []


def test_a_teacher_in_training_mode(digits: Data, first: First, above: Above) -> None:
    def training(evaluating: bool) -> None:
        teacher = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10))
        learn(digits, teacher, torch.optim.Adam(teacher.parameters(), lr=3e-3))
        teacher.train(not evaluating)
        net = network()
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for batch in torch.randperm(1200).split(40):
            with torch.no_grad():
                soft = teacher(digits[0][batch]).softmax(1)
            optimizer.zero_grad()
            F.cross_entropy(net(digits[0][batch]), soft).backward()
            optimizer.step()

    assert first(lambda: training(False)) == ("teacher-in-training-mode", "fault")
    assert "teacher-in-training-mode" not in above(lambda: training(True))
