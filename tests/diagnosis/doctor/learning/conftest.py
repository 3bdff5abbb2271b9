"""Small trainings, and what the checks of learning say to them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._diagnose import diagnose
from chainrule.diagnosis.doctor._observe import Watch
from chainrule.diagnosis.doctor.checks import learning
from chainrule.diagnosis.doctor.findings import Finding

Training = Callable[[], None]


@pytest.fixture(scope="session")
def digits() -> tuple[Tensor, Tensor]:
    bunch = load_digits()
    return torch.tensor(bunch.data, dtype=torch.float32) / 16, torch.tensor(bunch.target)


@pytest.fixture
def asked() -> Callable[[Training], tuple[Finding, ...]]:
    """Run a training under observation, and ask the checks of learning."""

    def ask(training: Training) -> tuple[Finding, ...]:
        with Watch() as watch:
            try:
                training()
            except RuntimeError as error:
                watch.seen.error = error
        return diagnose(Case(watch.seen), "training", checks=learning.CHECKS).findings

    return ask


@pytest.fixture
def first(asked: Callable[[Training], tuple[Finding, ...]]) -> Callable[[Training], tuple[str, str]]:
    """The label and level of the first finding."""

    def ask(training: Training) -> tuple[str, str]:
        found = asked(training)
        return (found[0].label, found[0].level) if found else ("", "")

    return ask


@pytest.fixture
def above(asked: Callable[[Training], tuple[Finding, ...]]) -> Callable[[Training], list[str]]:
    """The labels above a note."""
    return lambda training: [finding.label for finding in asked(training) if finding.level != "note"]
