"""Small trainings, and what the doctor's checks of the data say of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._diagnose import diagnose
from chainrule.diagnosis.doctor._observe import Watch
from chainrule.diagnosis.doctor._source import Source
from chainrule.diagnosis.doctor.checks.data import CHECKS
from chainrule.diagnosis.doctor.findings import Finding

Data = tuple[Tensor, Tensor, Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture
def digits() -> Data:
    """Training and validation of the digits: (N, 64) of 0 to 1, and classes."""
    x, y = load_digits(return_X_y=True)
    inputs, labels = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    inputs, labels = inputs[order], labels[order]
    return inputs[:1200], labels[:1200], inputs[1200:], labels[1200:]


@pytest.fixture
def numbers() -> Data:
    """Training and validation of a table: six columns, a target that is not linear in them, with noise."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1200, 6, generator=generator)
    y = x[:, 0] * x[:, 1] + torch.sin(2 * x[:, 2]) + 0.5 * x[:, 3] + 0.2 * torch.randn(1200, generator=generator)
    y = (y - y.mean()) / y.std()
    return x[:900], y[:900], x[900:], y[900:]


@pytest.fixture
def mlp() -> Callable[..., nn.Module]:
    """A perceptron with one hidden layer."""

    def build(inputs: int = 64, outputs: int = 10) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 48), nn.ReLU(), nn.Linear(48, outputs))

    return build


@pytest.fixture
def train() -> Callable[..., None]:
    """A loop as people write it."""

    def run(
        net: nn.Module,
        data: Data,
        *,
        loss: Loss = F.cross_entropy,
        epochs: int = 3,
        rate: float = 3e-3,
        size: int = 32,
        shuffle: bool = True,
        change: Callable[[Tensor], Tensor] | None = None,
        change_valid: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        x, y, xv, yv = data
        optimizer = torch.optim.Adam(net.parameters(), lr=rate)
        for _ in range(epochs):
            net.train()
            order = torch.randperm(len(x)) if shuffle else torch.arange(len(x))
            for index in order.split(size):
                inputs = x[index] if change is None else change(x[index])
                value = loss(net(inputs), y[index])
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
            net.eval()
            with torch.no_grad():
                answers = net(xv if change_valid is None else change_valid(xv))
                if yv.is_floating_point():
                    (answers.reshape(yv.shape) - yv).square().mean().item()
                else:
                    (answers.argmax(1) == yv).float().mean().item()

    return run


@pytest.fixture
def found() -> Callable[..., dict[str, Finding]]:
    """What the checks of the data find in what a function does: label -> finding, the likeliest first."""

    def ask(
        training: Callable[..., Any], *args: Any, source: Source | None = None, **options: Any
    ) -> dict[str, Finding]:
        watch = Watch()
        with contextlib.suppress(IndexError, RuntimeError), watch:
            training(*args, **options)
        said = diagnose(Case(watch.seen, source), "test", checks=CHECKS)
        return {finding.label: finding for finding in said.findings}

    return ask


@pytest.fixture
def first(found: Callable[..., dict[str, Finding]]) -> Callable[..., str]:
    """The label of the likeliest finding that is more than a note; empty where there is none."""

    def ask(training: Callable[..., Any], *args: Any, **options: Any) -> str:
        said = found(training, *args, **options)
        return next((label for label, finding in said.items() if finding.level != "note"), "")

    return ask
