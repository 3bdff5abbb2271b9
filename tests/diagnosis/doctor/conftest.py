"""For all tests of the doctor: the same on any machine, and an error in a check is an error."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch

from chainrule.diagnosis.doctor import _clock


@pytest.fixture(autouse=True)
def _steady(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Iterator[None]:
    """A seed, checks whose errors are not swallowed, and experiments that also a slow machine takes to their end."""
    monkeypatch.setenv("CHAINRULE_DOCTOR_RAISES", "1")
    monkeypatch.setattr(_clock, "computed", lambda: time.thread_time() / 4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
