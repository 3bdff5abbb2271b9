"""Saves that are killed: at random instants, or between two file operations of a retention; run by `test_faults.py`.

    python killed_saves.py instants|operations KILLS SEED

A forked child begins a run and saves one checkpoint after the other. With `instants` its parent kills it after a random
time; most of the time it saves. With `operations` it kills itself before or after one of its file operations, of a run
with another number of checkpoints, another `keep` and another best one each time. Afterwards the newest checkpoint
loads, is no older than the last one said to be saved, the best one is there, and so is all that the logs must have.
Prints one line of JSON.
"""

from __future__ import annotations

import functools
import itertools
import json
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from saving import INFO, Layout, check, save, scratch, state_of

from chainrule.core.errors import ChainruleError
from chainrule.core.folder import RunFolder
from chainrule.training.task import TrainState

BIG = Layout(width=600, steps=(0, 10, 20, 30), keep=2, best=0, lines=3)
"""3 MB a checkpoint: nearly all the time goes into saving."""
CALLS = ("open", "write", "pwrite", "fsync", "replace", "rename", "close", "mkdir", "unlink", "rmdir", "ftruncate")


class Told:
    """What a child says without a system call: the last step that was saved, whether it saves now, its operations."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 64)
        self.put(-1, False, 0)

    def put(self, step: int, saving: bool, operations: int) -> None:
        self.memory[:24] = struct.pack("qqq", step, saving, operations)

    def get(self) -> tuple[int, bool, int]:
        step, saving, operations = struct.unpack("qqq", self.memory[:24])
        return step, bool(saving), operations


@functools.cache
def states_of(layout: Layout) -> list[TrainState]:
    """All that is saved; made before the fork, so that the child does little else than saving."""
    return [state_of(layout, step) for step in (*layout.steps, layout.new)]


def all_saves(root: Path, layout: Layout, told: Told, count: Callable[[], int] = lambda: 0) -> None:
    """Begin a run and save each step."""
    folder = RunFolder(root / "run")
    told.put(-1, True, 0)
    folder.create(dict(INFO))
    for state in states_of(layout):
        told.put(told.get()[0], True, count())
        save(folder, layout, state)
        told.put(state.step, False, count())


def in_child(work: Callable[[], None], told: Told, kill_after: float | None = None) -> int:
    """The exit status of a forked child; -SIGKILL where it was killed, so many seconds after it began to save."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    if kill_after is not None:
        while not told.get()[1]:  # it begins to save
            time.sleep(0.0005)
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def duration(root: Path) -> float:
    """Seconds that the saves take in a child, from the first to the end of the last."""

    def timed() -> None:
        begun = time.perf_counter()
        all_saves(root, BIG, told)
        told.put(0, False, round(1e6 * (time.perf_counter() - begun)))

    told = Told()
    assert in_child(timed, told) == 0
    return told.get()[2] / 1e6


def counted(deadly: int, before: bool) -> Callable[[], int]:
    """Count the file operations of this process, and die at one of them (0: at none)."""
    counter, made = itertools.count(1), [0]

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            made[0] = next(counter)
            if before and made[0] == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*arguments, **options)
            if made[0] == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for name in CALLS:
        setattr(os, name, wrapped(getattr(os, name)))
    return lambda: made[0]


def require_legal(folder: RunFolder, layout: Layout, told: Told) -> str:
    """What is there: nothing yet, or a checkpoint that is no older than what was said to be saved."""
    said = told.get()[0]
    try:
        step = check(folder, layout)
    except ChainruleError:
        assert said < 0, "what was said to be saved does not load"
        return "none yet"
    assert step >= said, f"step {said} was said to be saved, step {step} is there"
    if step < layout.new:
        following = next(s for s in (*layout.steps, layout.new) if s > step)
        save(folder, layout, state_of(layout, following))
        assert check(folder, layout) == following, "the run does not go on"
    return "as said" if step == said else "newer than said"


def at_an_instant(root: Path, chance: random.Random, seconds: float) -> tuple[Layout, Told, int]:
    told = Told()
    return BIG, told, in_child(lambda: all_saves(root, BIG, told), told, chance.uniform(0, seconds))


def at_an_operation(root: Path, chance: random.Random, seconds: float) -> tuple[Layout, Told, int]:
    steps = tuple(range(0, 10 * chance.randrange(2, 7), 10))
    layout = Layout(width=8, steps=steps, keep=chance.randrange(1, 4), best=0, lines=2)
    told = Told()
    assert in_child(lambda: all_saves(root / "counted", layout, told, counted(0, False)), told) == 0
    deadly, before = chance.randrange(1, told.get()[2] + 1), chance.random() < 0.5
    shutil.rmtree(root / "counted")
    told.put(-1, False, 0)
    return layout, told, in_child(lambda: all_saves(root, layout, told, counted(deadly, before)), told)


def main(how: str, kills: int, seed: int) -> dict[str, Any]:
    """Kill, check and count."""
    torch.set_num_threads(1)
    chance = random.Random(seed)
    base = scratch()
    try:
        (base / "warm").mkdir()
        states_of(BIG)
        seconds = duration(base / "warm")
        check(RunFolder(base / "warm" / "run"), BIG)
        done, saving, survived = 0, 0, 0
        found: Counter[str] = Counter()
        bad: list[str] = []
        while done < kills:
            root = base / f"{done}-{survived}"
            root.mkdir()
            layout, told, status = (at_an_instant if how == "instants" else at_an_operation)(root, chance, seconds)
            assert status in (0, -signal.SIGKILL), f"the child ended with {status}"
            if status == 0:
                survived += 1  # it was done already
            else:
                done += 1
                saving += told.get()[1]
                try:
                    found[require_legal(RunFolder(root / "run"), layout, told)] += 1
                except (AssertionError, ChainruleError) as error:
                    bad.append(f"kill {done}: {error!r}; {layout}, {told.get()}")
            shutil.rmtree(root)
        return {"how": how, "seed": seed, "kills": kills, "while saving": saving, "found": found, "bad": bad}
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
