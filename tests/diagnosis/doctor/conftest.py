"""For all tests of the doctor: the same on any machine, and an error in a check is an error."""

from __future__ import annotations

import runpy
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from chainrule.diagnosis.doctor import _clock
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._diagnose import diagnose
from chainrule.diagnosis.doctor._observe import Watch
from chainrule.diagnosis.doctor._source import Source
from chainrule.diagnosis.doctor.checks import CHECKS


@pytest.fixture(autouse=True)
def _steady(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Iterator[None]:
    """A seed, checks whose errors are not swallowed, and experiments that also a slow machine takes to their end."""
    monkeypatch.setenv("CHAINRULE_DOCTOR_RAISES", "1")
    monkeypatch.setattr(_clock, "computed", lambda: time.thread_time() / 4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def asked_of(tmp_path: Path) -> Callable[[str, str], dict[str, str]]:
    """Run a program under observation; the levels of what the checks that look for one label find in it."""

    def ask(text: str, label: str) -> dict[str, str]:
        path = tmp_path / "program.py"
        path.write_text(text, encoding="utf-8")
        with Watch(prints=True) as watch:
            runpy.run_path(str(path), run_name="__main__")
        chosen = [each for each in CHECKS if label in each.labels]
        found = diagnose(Case(watch.seen, Source.read(path)), "program.py", checks=chosen).findings
        return {finding.label: finding.level for finding in found}

    return ask
