"""Images a second of fashion-cnn with one process on one core and with two processes on two cores, in turns.

    CHAINRULE_DATA=... python benchmarks/processes.py [STEPS] [TURNS] [--busy]

Each turn is `chainrule train` in a folder of its own, one thread a process, the step in two parts either way; what is
counted is the time between its tenth step and its last, from `timing.jsonl`. Both ways end in the same losses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import begin, in_turns, medians, write

FIRST = 10
"""Steps that are not counted: the first ones ask for memory."""


def rate(processes: int, shard: int, steps: int) -> float:
    """Seconds a step."""
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        words = [sys.executable, "-m", "chainrule", "train", "fashion-cnn", "-o", str(run), "-q", "--no-progress"]
        words += ["--train.steps", str(steps), "--train.parts", "2", "--train.threads", "1", "--train.test", "false"]
        words += ["--train.keep_every", "0", "--data.validation", "0.02", "--processes", str(processes)]
        words += ["--train.shard", str(shard)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
        lines = [json.loads(line) for line in (run / "timing.jsonl").read_text().splitlines()]
    first = next(line for line in lines if line["step"] >= FIRST)
    return (lines[-1]["seconds"] - first["seconds"]) / (lines[-1]["step"] - first["step"])


def main(steps: int, turns: int) -> None:
    """Measure and write."""
    ways = {
        "one process": lambda: rate(1, 1, steps),
        "two processes": lambda: rate(2, 1, steps),
        "two processes, weights laid out": lambda: rate(2, 2, steps),
    }
    found = medians(in_turns(ways, turns))
    write(
        "processes",
        {
            "what": f"median seconds of a step of fashion-cnn, {turns} turns of {steps} steps, one thread a process",
            "seconds": found,
            "two over one": round(found["one process"] / found["two processes"], 3),
            "laid out over one": round(found["one process"] / found["two processes, weights laid out"], 3),
        },
    )


if __name__ == "__main__":
    numbers = [int(word) for word in begin()]
    main(*(numbers or (200, 3)))
