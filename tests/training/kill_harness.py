"""Kill a training at chosen moments, let it go on, and compare every byte with the run that was left alone.

Run as a script: `python kill_harness.py KILLS SEED WORKERS`. Prints one JSON line. torch is imported once; each
trial is a forked child. A moment is (phase, occurrence, before or after): the child kills itself there with SIGKILL.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from chainrule.core import store
from chainrule.tasks import Classification, begin_run, continue_run, open_recipe
from chainrule.tasks.runs import _save
from chainrule.training import checkpoint, loop

RECIPE = {
    "data": {"name": "digits", "limit": 150},
    "augment": {"shift": 1, "flip": 0.5, "mixup": 0.4},
    "model": {
        "name": "layers",
        "spec": "CONV3-8 nobias | BN | RELU | POOL2 | CONV3-8 nobias | BN | RELU | DROPOUT0.2 | FC-10",
    },
    "optim": {"name": "adamw", "lr": 0.01},
    "schedule": {"name": "cosine", "warmup": 0.2},
    "train": {
        "steps": 14,
        "batch": 32,
        "parts": 2,
        "ema": 0.9,
        "clip_norm": 1.0,
        "evaluate_every": 4,
        "keep_every": 3,
        "threads": 1,
        "log_every": 1,
        "look_every": 2,
    },
}
PLACES: dict[str, tuple[Any, str]] = {
    "step": (loop, "_step"),
    "serialise": (checkpoint, "pack"),
    "write": (store, "_write_part"),
    "rename": (store.os, "rename"),
    "prune": (_save, "prune"),
    "evaluate": (loop, "evaluate"),
}


def main(kills: int, seed: int, workers: int) -> None:
    """Print what happened."""
    torch.set_num_threads(1)
    root = Path(tempfile.mkdtemp(prefix="kills-"))
    try:
        recipe = open_recipe(RECIPE, {"train.workers": workers})
        begin_run(recipe, root / "begun", name="kills")
        often = _in_child(lambda: _run(recipe, root, "reference", count=True))
        reference = _bytes(root / "reference")
        chance = random.Random(seed)
        bad, done, survived = [], dict.fromkeys(PLACES, 0), 0
        while sum(done.values()) < kills:
            trial = f"trial-{sum(done.values())}-{survived}"
            for _ in range(chance.choice([1, 1, 2])):
                phase = min(done, key=lambda name: (done[name], name))
                moment = (phase, chance.randrange(1, often[phase] + 1), chance.random() < 0.5)
                if _in_child(lambda moment=moment, trial=trial: _run(recipe, root, trial, moment)) is None:
                    done[phase] += 1
                else:
                    survived += 1  # after an earlier kill fewer occurrences were left
                    break
            _in_child(lambda trial=trial: _run(recipe, root, trial))
            if _bytes(root / trial) != reference:
                bad.append(trial)
            shutil.rmtree(root / trial)
        print(json.dumps({"kills": done, "bad": bad, "occurrences": often, "not reached": survived}))
    finally:
        shutil.rmtree(root)


def _run(recipe: Any, root: Path, trial: str, moment: tuple[str, int, bool] | None = None, count: bool = False) -> Any:
    folder = root / trial
    if not folder.exists():
        shutil.copytree(root / "begun", folder)
    counts = _armed(moment)
    info = json.loads((folder / "run.json").read_text())
    if info["status"] != "finished":
        continue_run(folder, Classification(recipe))
    return counts if count else True


def _armed(moment: tuple[str, int, bool] | None) -> dict[str, int]:
    """Count the calls of each phase, and die in the chosen one."""
    counts = dict.fromkeys(PLACES, 0)
    for phase, (owner, name) in PLACES.items():
        setattr(owner, name, _deadly(getattr(owner, name), phase, counts, moment))
    return counts


def _deadly(
    function: Callable[..., Any], phase: str, counts: dict[str, int], moment: tuple[str, int, bool] | None
) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        counts[phase] += 1
        hit = moment is not None and moment[0] == phase and moment[1] == counts[phase]
        if hit and moment is not None and moment[2]:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **kwargs)
        if hit:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


def _in_child(work: Callable[[], Any]) -> Any:
    """Run in a forked child; its result, or None if it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(writer, json.dumps(work()).encode())
            status = 0
        except BaseException as error:
            os.write(writer, json.dumps({"error": repr(error)}).encode())
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return None
    result = json.loads(content)
    if isinstance(result, dict) and "error" in result:
        raise RuntimeError(result["error"])
    return result


def _bytes(folder: Path) -> dict[str, bytes]:
    last = sorted((folder / "checkpoints").iterdir())[-1]
    names = ["model.safetensors", "metrics.jsonl", "layers.jsonl"]
    found = {name: (folder / name).read_bytes() for name in names}
    return found | {name: (last / name).read_bytes() for name in ("tensors.safetensors", "state.json")}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
