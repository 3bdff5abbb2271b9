"""Saves under faults: calls that fail, cut power, kills, changed bytes, full disks; the harnesses stand beside this.

The figures here are those of every change; `benchmarks/survival.py` runs the same with larger ones.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest


def harness(name: str, *words: object, before: Sequence[str] = ()) -> dict[str, Any]:
    command = [*before, sys.executable, str(Path(__file__).with_name(name)), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    if "strace cannot trace here" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["bad"] == [], found["bad"][0]
    return found


needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None,
    reason="there is no strace; tests/core/test_store_faults.py lets the calls of Python fail instead",
)


def failed(*words: str) -> None:
    found = harness("failing_calls.py", *words)
    kinds = {"rename" if "rename" in call else "mkdir" if "mkdir" in call else call for call in found["calls"]}
    assert {"write", "pwrite64", "fsync", "rename", "close", "mkdir", "ftruncate"} < kinds, "each kind of call failed"
    ways = 3 if found["forever"] else 5
    assert sum(found["faults"].values()) >= ways * sum(found["calls"].values()) > 90
    assert min(found["states"]["old"], found["states"]["new"]) > 30


@pytest.mark.slow
@needs_strace
def test_each_system_call_of_a_save_fails_or_kills() -> None:
    failed("small")


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize("words", [["small", "--forever"], ["blocks"], ["retention"], ["retention", "--forever"]])
def test_each_system_call_of_other_saves_fails_or_kills(words: list[str]) -> None:
    failed(*words)


@pytest.mark.parametrize(
    ("layout", "states", "seed"),
    [
        ("small", 200, 1),
        pytest.param("retention", 300, 2, marks=pytest.mark.slow),
        pytest.param("blocks", 200, 3, marks=pytest.mark.slow),
    ],
)
def test_what_a_power_cut_may_leave_loads(layout: str, states: int, seed: int) -> None:
    found = harness("power_cuts.py", layout, states, seed)
    assert found["states"] == sum(found["found"].values()), "each a different one"
    assert 0.8 * states <= found["states"] <= states, "some that are drawn are one and the same"
    assert set(found["found"]) == {"none yet", "as said", "newer than said"}
    assert {"write", "cut", "name", "drop", "move", "sync"} - set(found["operations"]) <= {"drop"}


@pytest.mark.slow
def test_kills_at_random_instants_of_saving() -> None:
    found = harness("killed_saves.py", "instants", 40, 1)
    assert found["kills"] == sum(found["found"].values()) == 40
    assert found["while saving"] > 0.7 * 40, "most kills fall into a save"


@pytest.mark.slow
def test_kills_between_the_operations_of_a_retention() -> None:
    found = harness("killed_saves.py", "operations", 60, 1)
    assert found["kills"] == sum(found["found"].values()) == 60
    assert {"as said", "newer than said"} <= set(found["found"])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["bits", "blocks"])
def test_changed_bytes_are_found(how: str) -> None:
    """More of what `tests/core/test_store_damage.py` does, on a checkpoint of a run."""
    found = harness("damaged.py", how, 2000, 1)
    assert found["changes"] == sum(found["found"].values()) == 2000
    assert {name.split(", ")[1] for name in found["found"]} == {"manifest.json", "state.json", "tensors.safetensors"}


def filled(sizes: int, *places: str) -> None:
    done = subprocess.run(["unshare", "-rm", "true"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no namespace to mount a small disk in: {done.stderr.strip()}")
    found = harness("full_disk.py", sizes, before=("unshare", "-rm"))
    assert sum(found["stopped"].values()) == sizes
    assert set(places) <= set(found["failed"]), found["failed"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare to mount a small disk with")
def test_disks_that_fill_up() -> None:
    filled(4, "run/report.html")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare to mount a small disk with")
def test_disks_that_fill_up_sooner_and_later() -> None:
    filled(16, "run/checkpoints/step-N", "run/metrics.jsonl", "run/report.html", "page.html")
