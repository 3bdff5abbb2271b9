"""Kill or stop processes that share a training, at random instants, and compare what comes out with a run left alone.

Run as a script: `python deaths.py KIND COUNT SEED`; prints one JSON line. KIND is

- `restarts`: SIGKILL of a random process, under `--restarts`, four in a row in each run, from the start-up of the
  processes to their end: the run ends by itself, with the same bytes;
- `launcher`: SIGKILL of the launcher, or of all at once: nothing is left after 10 s, and `resume` ends with the same
  bytes;
- `stuck`: SIGSTOP of a random process: the others name it within their time limit and end with status 8, and `resume`
  ends with the same bytes;
- `signals`: SIGTERM or SIGINT to the launcher, to all at once, or to a random process: all end with the usual status
  before the launcher would kill them, and `resume` ends with the same bytes.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

STEPS, EVERY, PROCESSES = 60, 6, 2
IN_A_ROW = 4
LIMIT = 6
"""Seconds that processes wait for a stuck one."""
GRACE = 30
"""Seconds after which torch's launcher kills processes that it has sent a signal."""
WORDS = [sys.executable, "-m", "chainrule"]
SETTINGS = ["digits-cnn", "--train.parts", "2", "--train.threads", "1", "--train.log_every", "1", "-q", "--no-progress"]
SETTINGS += ["--train.steps", str(STEPS), "--train.keep_every", str(EVERY), "--train.process_timeout", str(LIMIT)]


def main(kind: str, count: int, seed: int) -> None:
    """Print what happened."""
    root = Path(tempfile.mkdtemp(prefix="deaths-"))
    try:
        begun = time.monotonic()
        ended(train(root / "reference"))
        length = time.monotonic() - begun
        chance = random.Random(seed)
        found: dict[str, Any] = {"kind": kind, "seed": seed, "done": 0, "not reached": 0, "runs": 0, "bad": []}
        while found["done"] < count:
            run = root / f"run-{found['runs']}"
            KINDS[kind](run, found, chance, length, min(IN_A_ROW, count - found["done"]))
            found["runs"] += 1
            wrong = different(root / "reference", run)
            if wrong:
                found["bad"].append(f"{run.name}: {wrong}")
            shutil.rmtree(run, ignore_errors=True)
        print(json.dumps(found))
    finally:
        shutil.rmtree(root)


def restarts(run: Path, found: dict[str, Any], chance: random.Random, length: float, most: int) -> None:
    """Kill processes of one run again and again, which starts them anew by itself."""
    program, before = train(run, "--restarts", str(most)), set[int]()
    for _ in range(most):
        now = appeared(program, before)
        if now:
            time.sleep(chance.uniform(0, length))
        if now and killed(chance.choice(now)):
            found["done"] += 1
            before |= set(now)
        else:
            found["not reached"] += 1
            break
    said = ended(program, well=False)
    if program.returncode:
        found["bad"].append(f"{run.name}: status {program.returncode}: {said}")


def launcher(run: Path, found: dict[str, Any], chance: random.Random, length: float, most: int) -> None:
    """Kill the launcher, and now and then its processes with it."""
    program = train(run)
    now = appeared(program, set())
    time.sleep(chance.uniform(0, length))
    if program.poll() is not None:
        found["not reached"] += 1
        return
    for pid in [program.pid, *(now if found["done"] % 2 else [])]:
        killed(pid)
    found["done"] += 1
    program.communicate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(map(alive, now)):
        time.sleep(0.05)
    for pid in filter(alive, now):
        found["bad"].append(f"{run.name}: a process was left after 10 s")
        killed(pid)
    if (run / "run.json").exists():
        ended(go_on(run))
    else:
        ended(train(run))


def stuck(run: Path, found: dict[str, Any], chance: random.Random, length: float, most: int) -> None:
    """Stop a process that takes part."""
    program = train(run)
    now = appeared(program, set())
    while program.poll() is None and not list((run / "checkpoints").glob("step-*")):
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.3))
    chosen = chance.choice(now)
    try:
        os.kill(chosen, signal.SIGSTOP)
    except ProcessLookupError:
        found["not reached"] += 1
        ended(program)
        return
    begun = time.monotonic()
    said = ended(program, well=False)
    found["done"] += 1
    found["seconds"] = max(found.get("seconds", 0.0), round(time.monotonic() - begun, 1))
    info = json.loads((run / "run.json").read_text())
    if info["status"] == "finished":  # it was stopped behind its last sum
        return
    if program.returncode != 8 or "did not come along" not in said:
        found["bad"].append(f"{run.name}: status {program.returncode}: {said}")
    ended(go_on(run))


def signals(run: Path, found: dict[str, Any], chance: random.Random, length: float, most: int) -> None:
    """Send a signal, as `kill`, a terminal or a scheduler does."""
    program = train(run)
    now = appeared(program, set())
    time.sleep(chance.uniform(0, length))
    if program.poll() is not None:
        found["not reached"] += 1
        return
    number = chance.choice([signal.SIGTERM, signal.SIGINT])
    for pid in chance.choice([[program.pid], [*now, program.pid], [chance.choice(now)]]):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    begun = time.monotonic()
    said = ended(program, well=False)
    found["done"] += 1
    found["seconds"] = max(found.get("seconds", 0.0), round(time.monotonic() - begun, 1))
    status = program.returncode if program.returncode >= 0 else 128 - program.returncode  # as a shell has it
    statuses = found.setdefault("statuses", {})
    statuses[str(status)] = statuses.get(str(status), 0) + 1
    if time.monotonic() - begun > GRACE:
        found["bad"].append(f"{run.name}: {signal.Signals(number).name} was not heard: {said}")
    if status not in (0, 128 + number):
        found["bad"].append(f"{run.name}: {signal.Signals(number).name} gave {status}: {said}")
    if not (run / "run.json").exists():
        ended(train(run))
    elif json.loads((run / "run.json").read_text())["status"] != "finished":
        ended(go_on(run))


KINDS: dict[str, Callable[[Path, dict[str, Any], random.Random, float, int], None]] = {
    "restarts": restarts,
    "launcher": launcher,
    "stuck": stuck,
    "signals": signals,
}


def train(run: Path, *more: str) -> subprocess.Popen[str]:
    """Start a training."""
    return begin([*WORDS, "train", *SETTINGS, "-o", str(run), "--processes", str(PROCESSES), *more])


def go_on(run: Path) -> subprocess.Popen[str]:
    """Go on with it."""
    return begin([*WORDS, "resume", str(run), "-q", "--no-progress", "--processes", str(PROCESSES)])


def begin(words: list[str]) -> subprocess.Popen[str]:
    """Start a program."""
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(program: subprocess.Popen[str], *, well: bool = True) -> str:
    """Wait for the end of a program, which must be a good one if `well`, and return what it said; one that hangs is
    killed, which is seen in its status."""
    try:
        said = program.communicate(timeout=180)[1]
    except subprocess.TimeoutExpired:
        for pid in [*children(program.pid), program.pid]:
            killed(pid)
        said = "it hung\n" + program.communicate()[1]
    if program.returncode and well:
        raise AssertionError(f"status {program.returncode}: {said}")
    return said


def appeared(program: subprocess.Popen[str], before: set[int]) -> list[int]:
    """Wait for all processes of a launcher that are not known yet; none if it ended."""
    while program.poll() is None:
        now = [pid for pid in children(program.pid) if pid not in before]
        if len(now) == PROCESSES:
            return now
        time.sleep(0.01)
    return []


def children(pid: int) -> list[int]:
    """Processes that another one started and that are not dead, in the order of their numbers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (state := stat(int(entry.name))) and state[1] == pid and state[0] != "Z":
            found.append(int(entry.name))
    return sorted(found)


def alive(pid: int) -> bool:
    """Whether a process is there."""
    state = stat(pid)
    return state is not None and state[0] != "Z"


def stat(pid: int) -> tuple[str, int] | None:
    """State and parent of a process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return fields[0], int(fields[1])


def killed(pid: int) -> bool:
    """Kill a process; whether it was there."""
    if not alive(pid):
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return True


def different(one: Path, two: Path) -> str:
    """The first file that is not the same."""
    for name in ("metrics.jsonl", "model.safetensors"):
        if not (two / name).exists() or (one / name).read_bytes() != (two / name).read_bytes():
            return f"{name} is another one"
    return ""


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
