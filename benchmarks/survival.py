"""What a run survives: kills, failing system calls, power cuts, full disks and changed bytes, each many times.

    python benchmarks/survival.py [PART ...]

Runs the harnesses of `tests/training` with larger figures than the tests do, all parts or those that are named, and
writes to `results/survival.json` how often each was tried and how often anything was lost, damaged without being
found, or different. Parts that are not named keep what was found before; `python benchmarks/survival.py --list` names
them. Failing calls need strace, full disks a namespace that may mount (`unshare -rm`).
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from measure import RESULTS, write

TESTS = Path(__file__).parents[1] / "tests" / "training"
LAYOUTS = ("small", "blocks", "retention")
CUTS = {"small": "200", "blocks": "150", "retention": "400", "many": "1500"}
"""How many different disks after a power cut."""


class Part(NamedTuple):
    """One kind of fault.

    Args:
        what: What is done, and how, for the table.
        holds: What is true afterwards, every time.
        commands: Scripts below `tests/training` with their words.
        tried: A script's answer -> how many faults there were.
        before: Words before the interpreter.
    """

    what: str
    holds: str
    commands: list[list[str]]
    tried: Callable[[dict[str, Any]], int]
    before: tuple[str, ...] = ()


PARTS = {
    "kills-saving": Part(
        "SIGKILL at random instants of saving",
        "the newest checkpoint loads, no older than the last one said to be saved",
        [["faults/killed_saves.py", "instants", "400", "1"]],
        lambda found: found["kills"],
    ),
    "kills-training": Part(
        "SIGKILL at random instants of training, three in a row",
        "weights, optimizer and logs equal those of a run left alone, byte for byte",
        [["random_kills.py", "600", "1"]],
        lambda found: found["kills"],
    ),
    "calls": Part(
        "the n-th system call fails (ENOSPC, EIO, EDQUOT, EINTR), once or from then on, or kills: every n, 3 layouts",
        "the old or the new checkpoint is whole, what was said to be saved is there, the error names the cause",
        [["faults/failing_calls.py", layout, *more] for layout in LAYOUTS for more in ([], ["--forever"])],
        lambda found: sum(found["faults"].values()),
    ),
    "cuts": Part(
        "simulated power cuts: writes that were not synced lost, torn at 512 bytes or reordered, names lost",
        "a checkpoint no older than the last one said to be saved loads, with its logs",
        [["faults/power_cuts.py", layout, count, "1"] for layout, count in CUTS.items()],
        lambda found: found["states"],
    ),
    "disks": Part(
        "disks of other sizes that fill up during training, predictions or the report",
        "status 5 and a line that names the file and the room; later the run goes on to the same bytes",
        [["faults/full_disk.py", "24"]],
        lambda found: found["sizes"],
        ("unshare", "-rm"),
    ),
    "bits": Part(
        "one bit of a checkpoint changed",
        "found, the file is named; the checkpoint before is used",
        [["faults/damaged.py", "bits", "20000", "1"]],
        lambda found: found["changes"],
    ),
    "blocks": Part(
        "files of a checkpoint cut, lengthened, exchanged, with blocks of zeros, ones or other blocks",
        "found, the file is named; the checkpoint before is used",
        [["faults/damaged.py", "blocks", "5000", "1"]],
        lambda found: found["changes"],
    ),
    "retention": Part(
        "SIGKILL between two file operations, with other numbers of checkpoints to keep each time",
        "a whole checkpoint is there at each instant, and the best one",
        [["faults/killed_saves.py", "operations", "500", "1"]],
        lambda found: found["kills"],
    ),
    "signals": Part(
        "SIGINT, SIGTERM, SIGUSR1 or SIGHUP at random instants of training, every fifth one twice",
        "the usual status, a saved step, and the same bytes in the end as without it",
        [["signal_harness.py", "200", "1"]],
        lambda found: found["trials"],
    ),
    "restarts": Part(
        "SIGKILL of one of two processes under `--restarts`, from their start to their end",
        "the run ends by itself with the bytes of a run left alone",
        [["shared/deaths.py", "restarts", "20", "1"]],
        lambda found: found["done"],
    ),
    "launcher": Part(
        "SIGKILL of the launcher of two processes, every second time of all three",
        "no process is left after 10 s; `resume` ends with the bytes of a run left alone",
        [["shared/deaths.py", "launcher", "10", "1"]],
        lambda found: found["done"],
    ),
    "stuck": Part(
        "SIGSTOP of one of two processes",
        "it is named within the time limit, status 8; `resume` ends with the bytes of a run left alone",
        [["shared/deaths.py", "stuck", "5", "1"]],
        lambda found: found["done"],
    ),
    "signals-shared": Part(
        "SIGTERM or SIGINT at random instants to the launcher of two processes, to one of them, or to all",
        "the usual status before the launcher kills; `resume` ends with the bytes of a run left alone",
        [["shared/deaths.py", "signals", "20", "1"]],
        lambda found: found["done"],
    ),
}


def measured(part: Part) -> dict[str, Any]:
    """Run the scripts of a part and count."""
    begun, answers = time.perf_counter(), []
    for script, *words in part.commands:
        command = [*part.before, sys.executable, str(TESTS / script), *words]
        print(" ".join([script, *words]), file=sys.stderr, flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{script} ended with status {done.returncode}")
        answers.append(json.loads(done.stdout.splitlines()[-1]))
    return {
        "what": part.what,
        "holds": part.holds,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - begun),
        "tried": sum(map(part.tried, answers)),
        "bad": sum(len(answer["bad"]) for answer in answers),
        "answers": answers,
    }


def main(names: list[str]) -> None:
    """Run the named parts, and write them beside what is there of the others."""
    if names == ["--list"]:
        print("\n".join(f"{name:15} {part.what}" for name, part in PARTS.items()))
        return
    if odd := set(names) - set(PARTS):
        sys.exit(f"there is no part {min(odd)}, expected {', '.join(PARTS)}")
    path = RESULTS / "survival.json"
    for name in names or PARTS:
        answer = measured(PARTS[name])
        found = {**(json.loads(path.read_text())["parts"] if path.exists() else {}), name: answer}
        write(
            "survival",
            {
                "what": "faults, and how often anything was lost, changed without being found, or different",
                "parts": {key: found[key] for key in PARTS if key in found},
            },
        )


if __name__ == "__main__":
    main(sys.argv[1:])
