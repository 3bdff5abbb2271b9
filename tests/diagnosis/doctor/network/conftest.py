"""Small trainings, sound and faulty, and what the network's checks find in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._observe import Watch
from chainrule.diagnosis.doctor.checks._check import Check
from chainrule.diagnosis.doctor.checks.network import CHECKS
from chainrule.diagnosis.doctor.findings import Finding, ordered


@pytest.fixture(scope="session")
def digits() -> tuple[Tensor, Tensor]:
    found = load_digits()
    return torch.tensor(found.data[:512] / 16, dtype=torch.float32), torch.tensor(found.target[:512])


@pytest.fixture
def sentences() -> tuple[Tensor, Tensor]:
    """Sequences of nine tokens in which each follows from the one before, and the same shifted by one."""
    generator = torch.Generator().manual_seed(3)
    start = torch.randint(1, 11, (256, 1), generator=generator)
    steps = torch.randint(1, 3, (256, 12), generator=generator).cumsum(1)
    tokens = (torch.cat([start, start + steps], 1) % 11) + 1
    return tokens[:, :-1], tokens[:, 1:]


@pytest.fixture
def train() -> Callable[..., Case]:
    """Train a network as people do, under observation."""

    def run(
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        steps: int = 30,
        batch: int = 32,
        rate: float = 1e-2,
        optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
        loss_of: Callable[[Any, Tensor], Tensor] | None = None,
        held: Sequence[Tensor] | None = None,
    ) -> Case:
        loss_of = loss_of or (lambda scores, target: F.cross_entropy(scores, target))
        with Watch() as watch:
            moving = optimizer(list(model.parameters()) if held is None else list(held), lr=rate)
            for step in range(steps):
                rows = torch.arange(step * batch, (step + 1) * batch) % len(x)
                loss = loss_of(model(x[rows]), y[rows])
                moving.zero_grad()
                loss.backward()
                moving.step()
            model.eval()
            with torch.no_grad():
                model(x[:batch])
            model.train()
        return Case(watch.seen)

    return run


@pytest.fixture
def found() -> Callable[..., tuple[Finding, ...]]:
    """The findings of the network's checks; of those alone that give one of these labels, where some are named."""

    def ask(case: Case, *labels: str) -> tuple[Finding, ...]:
        asked: list[Check] = [c for c in CHECKS if not labels or set(labels) & set(c.labels)]
        return ordered([finding for each in asked for finding in each.look(case)])

    return ask
