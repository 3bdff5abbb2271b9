"""C10: the loss is flat from the start, or settles high. Four causes, told apart by experiment."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._diagnose import diagnose
from chainrule.diagnosis.doctor._observe import Watch
from chainrule.diagnosis.doctor.findings import Diagnosis

Data = tuple[Tensor, Tensor]


@pytest.fixture(scope="module")
def digits() -> Data:
    found = load_digits()
    return torch.tensor(found.data / 8 - 1, dtype=torch.float32), torch.tensor(found.target)


def network(scale: float = 1.0) -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(*(part for _ in range(4) for part in (nn.Linear(64, 64), nn.ReLU())), nn.Linear(64, 10))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(scale)
    return net


def train(data: Data, net: nn.Module, *, rate: float = 0.05, penalty: float = 0.0, epochs: int = 6) -> None:
    x, y = data
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    held = len(x) - len(x) // 5
    for _ in range(epochs):
        net.train()
        for rows in torch.randperm(held).split(32):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x[rows]), y[rows])
            loss = loss + penalty * sum(p.square().sum() for p in net.parameters())
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            print((net(x[held:]).argmax(1) == y[held:]).float().mean().item())


def diagnosed(training: Callable[[], None]) -> Diagnosis:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with Watch(prints=True) as watch:
            training()
        found = diagnose(Case(watch.seen), "a training")
    finally:
        torch.set_num_threads(threads)
    assert not found.broken
    return found


def uneven(data: Data) -> Data:
    """One class in fifty, so that answering the other one is right nearly always."""
    x, y = data
    kept = (y == 1) | ((y == 7) & (torch.arange(len(y)) % 45 == 0))
    x, y = x[kept].repeat(6, 1), (y[kept] == 7).long().repeat(6)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    return (x + 1.5 * torch.randn(x.shape, generator=generator))[order], y[order]


@pytest.mark.slow
def test_a_rate_that_is_too_low(digits: Data) -> None:
    found = diagnosed(lambda: train(digits, network(), rate=1e-6))
    assert (found.findings[0].label, found.findings[0].level) == ("rate-too-low", "fault")


@pytest.mark.slow
def test_weights_that_begin_too_small(digits: Data) -> None:
    found = diagnosed(lambda: train(digits, network(0.02)))
    assert (found.findings[0].label, found.findings[0].level) == ("initialization-too-small", "fault")


def test_a_penalty_that_is_too_strong(digits: Data) -> None:
    found = diagnosed(lambda: train(digits, network(), rate=0.01, penalty=1.0))
    assert (found.findings[0].label, found.findings[0].level) == ("penalty-too-strong", "fault")


def test_classes_that_are_uneven(digits: Data) -> None:
    found = diagnosed(lambda: train(uneven(digits), network(), rate=0.002, epochs=3))
    assert "classes-uneven" in [each.label for each in found.findings]
    labels = {each.label for each in found.findings if each.level != "note"}
    assert not labels & {"rate-too-low", "initialization-too-small", "initialization-too-large", "penalty-too-strong"}


def test_none_of_them(digits: Data) -> None:
    assert diagnosed(lambda: train(digits, network())).healthy
