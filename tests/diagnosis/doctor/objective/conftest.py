"""Small trainings, watched and asked about by the checks of the objective."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._diagnose import diagnose
from chainrule.diagnosis.doctor._observe import Watch
from chainrule.diagnosis.doctor.checks import objective
from chainrule.diagnosis.doctor.findings import Diagnosis

Training = Callable[[], Any]


@pytest.fixture
def diagnosed() -> Callable[[Training], Diagnosis]:
    """Watches a training to its end, be it an error, and asks all checks of the objective."""

    def ask(training: Training) -> Diagnosis:
        watch = Watch(prints=True)
        with contextlib.suppress(RuntimeError, IndexError, ValueError), watch:
            training()
        return diagnose(Case(watch.seen), "a training", checks=objective.CHECKS)

    return ask


@pytest.fixture(scope="session")
def digits() -> tuple[Tensor, Tensor]:
    """Pictures (1797, 64) from 0 to 1, and their classes."""
    data = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    return torch.tensor(data.data / 16, dtype=torch.float32)[order], torch.tensor(data.target)[order]


@pytest.fixture
def fit() -> Callable[..., None]:
    """The usual loop: batches of 32, and after them an evaluation, if there is one."""

    def run(
        model: nn.Module,
        criterion: Callable[..., Tensor],
        x: Tensor,
        y: Tensor,
        *,
        rate: float = 0.1,
        steps: int = 40,
        make: Any = torch.optim.SGD,
        after: Training | None = None,
        **options: Any,
    ) -> None:
        optimizer = make(model.parameters(), lr=rate, **options)
        for i in range(steps):
            chosen = slice(32 * i % (len(x) - 31), 32 * i % (len(x) - 31) + 32)
            loss = criterion(model(x[chosen]), y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if after is not None:
            model.eval()
            with torch.no_grad():
                after()

    return run
