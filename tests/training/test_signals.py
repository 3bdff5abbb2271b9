"""A training that is sent a signal finishes its step, saves, ends as is usual, and goes on to the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chainrule.runtime.world import Alone
from chainrule.tasks.runs._signals import stop_flag

HARNESS = Path(__file__).with_name("signal_harness.py")


def check(trials: int, seed: int) -> None:
    words = [sys.executable, str(HARNESS), str(trials), str(seed)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["bad"] == []
    assert len(found["statuses"]) >= 4, "each signal has its status"


@pytest.mark.slow
def test_signals_at_random_moments() -> None:
    check(12, seed=1)


@pytest.mark.slow
def test_more_signals_at_random_moments() -> None:
    check(60, seed=2)


class Signalled(Alone):
    """A world in which a signal comes to this process while all are asked, after it has answered."""

    def largest(self, value: int) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return value


def test_a_signal_that_comes_while_processes_agree_is_not_lost() -> None:
    with stop_flag() as flag:
        assert not flag.is_set(Signalled())
        assert flag.is_set(Alone())
        assert flag.number == signal.SIGTERM


def members(group: int) -> list[int]:
    """Processes of a group that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, its_group = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:3]
            except OSError:
                continue
            if int(its_group) == group and state != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the processes")
def test_a_signal_to_the_whole_group_ends_all_of_it(tmp_path: Path) -> None:
    """As SLURM and terminals send it: the processes that prepare data neither save nor print."""
    run = tmp_path / "a run"
    words = [sys.executable, "-m", "chainrule", "train", "digits-cnn", "-o", str(run), "--no-progress"]
    words += ["--train.steps", "100000", "--train.workers", "2", "--train.threads", "1", "--train.keep_every", "50"]
    program = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        deadline = time.monotonic() + 90
        while not (run / "checkpoints" / "step-00000050").exists():
            assert program.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(program.pid, signal.SIGTERM)
        out, err = program.communicate(timeout=60)
    finally:
        program.kill()
    assert program.returncode == 143
    assert out == ""
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("chainrule: stopped by SIGTERM after saving. To go on: chainrule resume '")
    deadline = time.monotonic() + 10
    while members(program.pid):
        assert time.monotonic() < deadline, "processes are left"
        time.sleep(0.1)
    info = json.loads((run / "run.json").read_text())
    assert info["status"] == "interrupted"
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert events[-1]["event"] == "signal"
    assert (run / "checkpoints" / f"step-{events[-1]['step']:08d}").is_dir()
