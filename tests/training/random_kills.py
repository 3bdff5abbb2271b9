"""Kill a training at random instants, three times in a row, let it end, and compare every byte with one left alone.

Run as a script: `python random_kills.py KILLS SEED`. Prints one JSON line. The recipe, and what is compared, are those
of `kill_harness.py`, which chooses the moments; here the clock does, so that any instruction may be the last.
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
from kill_harness import RECIPE, _bytes, _in_child, _run

from chainrule.tasks import begin_run, open_recipe

IN_A_ROW = 3


def main(kills: int, seed: int) -> None:
    """Print what happened."""
    torch.set_num_threads(1)
    root = Path(tempfile.mkdtemp(prefix="kills-"))
    try:
        recipe = open_recipe(RECIPE)
        begin_run(recipe, root / "begun", name="kills")
        seconds = min(_seconds_of(recipe, root, name) for name in ("warm", "warmer", "reference"))
        reference = _bytes(root / "reference")
        chance = random.Random(seed)
        done, survived, bad, resumed = 0, 0, [], []
        while done < kills:
            trial = f"trial-{done}-{survived}"
            for _ in range(IN_A_ROW):
                if _killed(recipe, root, trial, chance.uniform(0, 0.8 * seconds)):
                    done += 1
                else:
                    survived += 1
            _in_child(lambda trial=trial: _run(recipe, root, trial))
            if _bytes(root / trial) != reference:
                bad.append(trial)
            resumed.append(json.loads((root / trial / "run.json").read_text())["resumed"])
            shutil.rmtree(root / trial)
        found = {"kills": done, "runs": len(resumed), "bad": bad, "resumed": sum(resumed)}
        print(json.dumps({**found, "seed": seed, "not reached": survived}))
    finally:
        shutil.rmtree(root)


def _seconds_of(recipe: Any, root: Path, name: str) -> float:
    """How long a run takes that is left alone."""
    begun = time.perf_counter()
    _in_child(lambda: _run(recipe, root, name))
    return time.perf_counter() - begun


def _killed(recipe: Any, root: Path, trial: str, seconds: float) -> bool:
    """Let the run go on in a forked child for so long; whether it was still at it."""
    if not (root / trial).exists():
        shutil.copytree(root / "begun", root / trial)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _run(recipe, root, trial)
            status = 0
        finally:
            os._exit(status)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"the training ended with {status}"
    return status != 0


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
