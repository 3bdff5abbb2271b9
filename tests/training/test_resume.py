"""A run that is killed and goes on ends with the same bytes as one that is left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HARNESS = Path(__file__).with_name("kill_harness.py")


def killed(kills: int, seed: int, workers: int) -> dict[str, Any]:
    words = [sys.executable, str(HARNESS), str(kills), str(seed), str(workers)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def check(found: dict[str, Any], kills: int) -> None:
    assert sum(found["kills"].values()) >= kills
    assert min(found["kills"].values()) >= kills // len(found["kills"]) - 1, "each phase has its share"
    assert found["bad"] == []


def test_a_killed_run_goes_on_to_the_same_bytes() -> None:
    check(killed(12, seed=1, workers=0), 12)


@pytest.mark.slow
def test_kills_at_other_moments_of_all_phases() -> None:
    """Four in each of the six phases: with the quick test's two, early and late ones, before and after."""
    check(killed(24, seed=2, workers=0), 24)


@pytest.mark.slow
def test_kills_with_a_worker_process_end_with_the_same_bytes() -> None:
    check(killed(6, seed=3, workers=1), 6)


def killed_at_random(kills: int, seed: int) -> None:
    words = [sys.executable, str(HARNESS.with_name("random_kills.py")), str(kills), str(seed)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] >= kills
    assert found["resumed"] > 0, "some were killed after a checkpoint"
    assert found["bad"] == []


@pytest.mark.slow
def test_three_kills_in_a_row_at_any_instant() -> None:
    killed_at_random(6, seed=1)


@pytest.mark.slow
def test_sixty_kills_three_in_a_row() -> None:
    killed_at_random(60, seed=2)
