"""Wall time from the start of the process until Fashion-MNIST is known to 90 %: `fashion-fast` against a plain convnet.

    CHAINRULE_DATA=... python benchmarks/fast.py [TURNS] [--busy]

Both are processes of their own, taken in turn: imports, reading the data, training, and the test part are counted; for
ours the report and the run folder too. The peer is `peers/simple_convnet.py`, 12 epochs. Each turn of ours has another
seed. The accuracies stand beside the times.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import begin, in_turns, medians, write

HERE = Path(__file__).parent


def main(turns: int) -> None:
    """Measure and write."""
    data = Path(os.environ["CHAINRULE_DATA"], "fashion_mnist")
    accuracies: dict[str, list[float]] = {"ours": [], "plain PyTorch": []}

    def timed(name: str, command: list[str]) -> tuple[float, str]:
        begun = time.perf_counter()
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return time.perf_counter() - begun, told

    def ours() -> float:
        with tempfile.TemporaryDirectory() as place:
            words = ["train", "fashion-fast", "--seed", str(len(accuracies["ours"])), "-o", f"{place}/run", "--json"]
            seconds, told = timed("ours", [sys.executable, "-m", "chainrule", *words])
        accuracies["ours"].append(json.loads(told)["result"]["test"]["accuracy"])
        return seconds

    def plain() -> float:
        seconds, told = timed("plain PyTorch", [sys.executable, str(HERE / "peers" / "simple_convnet.py"), str(data)])
        accuracies["plain PyTorch"].append(float(told))
        return seconds

    seconds = medians(in_turns({"ours": ours, "plain PyTorch": plain}, turns))
    write(
        "fast",
        {
            "what": f"median wall seconds of {turns} processes each, from start to test accuracy, on Fashion-MNIST",
            "seconds": seconds,
            "accuracy": {name: round(statistics.fmean(values), 4) for name, values in accuracies.items()},
            "accuracies": accuracies,
            "plain PyTorch over ours": round(seconds["plain PyTorch"] / seconds["ours"], 2),
        },
    )


if __name__ == "__main__":
    words = begin()
    main(int(words[0]) if words else 5)
