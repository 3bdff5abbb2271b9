"""Send a training signals at random moments, let it go on, and compare every byte with the run that was left alone.

Run as a script: `python signal_harness.py TRIALS SEED`. Prints one JSON line. torch is imported once; each trial is a
forked child, which ends with the status that the command line would give.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from kill_harness import RECIPE, _bytes

from chainrule.tasks import Classification, begin_run, continue_run, open_recipe

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP]


def main(trials: int, seed: int) -> None:
    """Print what happened."""
    torch.set_num_threads(1)
    root = Path(tempfile.mkdtemp(prefix="signals-"))
    try:
        recipe = open_recipe(RECIPE)
        begin_run(recipe, root / "begun", name="signals")
        begun = time.monotonic()
        assert wait(child(recipe, root, "reference")) == 0
        length = time.monotonic() - begun
        reference = _bytes(root / "reference")
        chance = random.Random(seed)
        statuses: dict[str, int] = {}
        bad: list[str] = []
        for trial in range(trials):
            name, number = f"trial-{trial}", NUMBERS[trial % len(NUMBERS)]
            twice = trial % 5 == 4
            process = child(recipe, root, name)
            time.sleep(chance.uniform(0.0, length))
            os.kill(process, number)
            if twice:
                time.sleep(chance.uniform(0.0, 0.02))
                os.kill(process, number)
            asked = time.monotonic()
            status = wait(process)
            statuses[str(status)] = statuses.get(str(status), 0) + 1
            if status not in (0, 128 + number) or (twice and time.monotonic() - asked > 2):
                bad.append(f"{name}: {signal.Signals(number).name} gave {status}")
            info = json.loads((root / name / "run.json").read_text())
            # one that comes between the last byte and the end of the process finds the run finished
            expected = {"finished"} if status == 0 else {"interrupted", "running", "finished"}
            if not twice and info["status"] not in expected:
                bad.append(f"{name}: status {status}, but the run is {info['status']}")
            if info["status"] != "finished" and wait(child(recipe, root, name)) != 0:
                bad.append(f"{name}: did not go on")
            if _bytes(root / name) != reference:
                bad.append(f"{name}: other bytes")
            shutil.rmtree(root / name)
        print(json.dumps({"trials": trials, "statuses": statuses, "bad": bad}))
    finally:
        shutil.rmtree(root)


def child(recipe: Any, root: Path, name: str) -> int:
    """Go on with a run in a forked process, and return its number."""
    folder = root / name
    if not folder.exists():
        shutil.copytree(root / "begun", folder)
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        continue_run(folder, Classification(recipe))
        status = 0
    except KeyboardInterrupt as stop:
        status = getattr(stop, "status", 130)
    finally:
        os._exit(status)


def wait(process: int) -> int:
    """Return the status as a shell does."""
    _, status = os.waitpid(process, 0)
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
