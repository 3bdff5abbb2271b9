"""A benchmark looks at the machine first: it refuses a busy one, or marks what it measures there."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "measure.py"


@pytest.fixture
def measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, anew, with results and a machine of its own."""
    spec = importlib.util.spec_from_file_location("measure_under_test", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(module, "LOOK", 0.0)
    monkeypatch.setattr(sys, "argv", ["bench.py", "3", "--busy", "2"])
    return module


def machine(module: ModuleType, monkeypatch: pytest.MonkeyPatch, others: float) -> None:
    """A clock that others use so many cores of, beside a share of this process."""
    clock = {"time": 0.0, "busy": 100.0, "own": 0.0}

    def passes(seconds: float) -> None:
        clock["time"] += seconds
        clock["own"] += 0.7 * seconds
        clock["busy"] += (0.7 + others) * seconds

    monkeypatch.setattr(module.time, "monotonic", lambda: clock["time"])
    monkeypatch.setattr(module.time, "sleep", lambda seconds: passes(2.0))
    monkeypatch.setattr(module, "busy_seconds", lambda: clock["busy"])
    monkeypatch.setattr(module.os, "times", lambda: module_times(clock["own"]))
    monkeypatch.setattr(module, "PROCESSORS", FILE)  # a file that is there
    module.passes = passes


class module_times:
    def __init__(self, own: float) -> None:
        self.user, self.system = own / 2, own / 4
        self.children_user, self.children_system = own / 8, own / 8


def test_a_quiet_machine_is_measured_and_its_load_written(
    measure: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine(measure, monkeypatch, 0.02)
    monkeypatch.setattr(sys, "argv", ["bench.py", "3"])
    assert measure.begin() == ["3"]
    measure.passes(10.0)
    measure.write("some/thing", {"what": "seconds"})
    found = json.loads((tmp_path / "results" / "some" / "thing.json").read_text())
    assert found["quiet"] is True
    assert found["cores busy with other work"] == {"before": 0.02, "during": 0.02, "after": 0.02}
    assert found["what"] == "seconds"


def test_a_busy_machine_is_refused(measure: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(measure, monkeypatch, 1.5)
    monkeypatch.setattr(sys, "argv", ["bench.py", "3"])
    with pytest.raises(SystemExit, match=r"use 1.50 cores, expected less than 0.15. Remedy: .* --busy") as caught:
        measure.begin()
    assert "\n" not in str(caught.value)


def test_or_marked(measure: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(measure, monkeypatch, 1.5)
    assert measure.begin() == ["3", "2"]
    measure.write("one", {})
    assert json.loads((tmp_path / "results" / "one.json").read_text())["quiet"] is False


def test_who_comes_later_is_noticed(measure: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(measure, monkeypatch, 0.0)
    measure.begin()
    machine(measure, monkeypatch, 1.0)
    measure.passes(30.0)
    measure.write("one", {})
    found = json.loads((tmp_path / "results" / "one.json").read_text())
    assert found["quiet"] is False
    assert found["cores busy with other work"]["before"] == 0.0
    assert found["cores busy with other work"]["after"] == 1.0


def test_own_work_does_not_count(measure: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real clocks: what this process does in between is taken off what the machine did."""
    if not measure.PROCESSORS.exists():
        assert measure.busy_seconds() == 0.0
        return
    before, mark = measure.busy_seconds(), measure.Load._mark
    load = measure.Load.__new__(measure.Load)
    first = mark(load)
    while mark(load)[2] < first[2] + 0.5:
        sum(range(10_000))
    second = mark(load)
    assert measure.busy_seconds() - before > 0.3
    busy, own = second[1] - first[1], second[2] - first[2]
    assert 0.45 < own < 0.7
    assert busy > own - 0.15  # it is part of what the machine did


def test_without_proc_the_mean_of_the_system_is_taken(measure: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "PROCESSORS", Path("/nonexistent/stat"))
    monkeypatch.setattr(measure.os, "getloadavg", lambda: (0.42, 1.0, 1.0))
    assert measure.Load().before == 0.42
    assert measure.busy_seconds() == 0.0


def test_without_a_look_nothing_is_said_of_the_load(measure: ModuleType, tmp_path: Path) -> None:
    measure.write("one", {"a": 1})
    assert "quiet" not in json.loads((tmp_path / "results" / "one.json").read_text())
