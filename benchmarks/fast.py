"""Wall time from the start of the process until Fashion-MNIST is known to 90 % and to 92.5 %, beside a plain convnet.

    CHAINRULE_DATA=... python benchmarks/fast.py [TURNS] [--busy]

`fashion-fast` and `fashion-fast-wide` against `peers/simple_convnet.py`, which takes 12 epochs to 90 %. All are
processes of their own, taken in turn: imports, reading the data, training, and the test part are counted; for ours the
report and the run folder too. Each turn of ours has another seed. The accuracies stand beside the times; those of
`recipes.py` have the same seeds. The peer's time varies little, so two turns of it are enough.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from measure import begin, in_turns, medians, write

HERE = Path(__file__).parent
OURS = ("fashion-fast", "fashion-fast-wide")
PLAIN = "plain PyTorch"
TURNS_OF_PLAIN = 2


def seconds_of(command: list[str]) -> tuple[float, str]:
    """Wall seconds of a process, and what it says."""
    begun = time.perf_counter()
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return time.perf_counter() - begun, told


def main(turns: int) -> None:
    """Measure and write."""
    data = Path(os.environ["CHAINRULE_DATA"], "fashion_mnist")
    accuracies: dict[str, list[float]] = {name: [] for name in (*OURS, PLAIN)}

    def ours(recipe: str) -> float:
        with tempfile.TemporaryDirectory() as place:
            words = ["train", recipe, "--seed", str(len(accuracies[recipe])), "-o", f"{place}/run", "--json"]
            seconds, told = seconds_of([sys.executable, "-m", "chainrule", *words])
        accuracies[recipe].append(json.loads(told)["result"]["test"]["accuracy"])
        return seconds

    def plain() -> float:
        seconds, told = seconds_of([sys.executable, str(HERE / "peers" / "simple_convnet.py"), str(data)])
        accuracies[PLAIN].append(float(told))
        return seconds

    contestants = {**{name: partial(ours, name) for name in OURS}, PLAIN: plain}
    few = min(turns, TURNS_OF_PLAIN)
    taken = in_turns(contestants, few)
    more = in_turns({name: contestants[name] for name in OURS}, turns - few)
    seconds = medians({name: [*values, *more.get(name, [])] for name, values in taken.items()})
    write(
        "fast",
        {
            "what": f"median wall seconds of {turns} processes ({few} of {PLAIN}), from start to test accuracy",
            "seconds": seconds,
            "accuracy": {name: round(statistics.fmean(values), 4) for name, values in accuracies.items()},
            "accuracies": accuracies,
            "plain PyTorch over ours": {name: round(seconds[PLAIN] / seconds[name], 2) for name in OURS},
        },
    )


if __name__ == "__main__":
    words = begin()
    main(int(words[0]) if words else 5)
