"""Why residual networks: plain, residual and dense ones of 20 and 56 layers, trained alike.

    python benchmarks/depth.py

Trains the study `cifar10-depth` into `runs/measured/cifar10-depth` (what is finished there is not trained again) and
writes `results/depth.json`: of each network, epoch by epoch, the mean loss and accuracy over the training batches as
they were seen (moved and mirrored, smoothed labels), and those of the validation part. Training error is what the
question is about: that a deeper plain network is worse on the training data too is no overfitting. One thread, so that
the figures do not depend on the number of cores.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from measure import write

from chainrule import api

STUDY = "cifar10-depth"
RUNS = Path("runs", "measured", STUDY)


def epochs(run: api.Run) -> list[dict[str, float]]:
    """What a run reached in each epoch."""
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    train = [line for line in lines if line["part"] == "train"]
    valid = [line for line in lines if line["part"] == "valid"]
    last = max(line["epoch"] for line in train)
    found = []
    for epoch in range(last + 1):
        seen = [line for line in train if line["epoch"] == epoch]
        measured = [line for line in valid if line["epoch"] == epoch][-1]
        found.append(
            {
                "train loss": round(statistics.fmean(line["loss"] for line in seen), 4),
                "train accuracy": round(statistics.fmean(line["accuracy"] for line in seen), 4),
                "valid loss": round(measured["loss"], 4),
                "valid accuracy": round(measured["accuracy"], 4),
            }
        )
    return found


def main() -> None:
    """Train, and write what came of it."""
    api.compare(STUDY, out=RUNS, settings={"train.threads": 1})
    members: dict[str, Any] = {}
    for path in sorted(each for each in RUNS.iterdir() if (each / "run.json").is_file()):
        run = api.Run.open(path)
        members[path.name] = {
            "parameters": run.info["parameters"],
            "epochs": epochs(run),
            "test accuracy": (run.result or {}).get("test", {}).get("accuracy"),
        }
    data = json.loads((RUNS / "plain-20" / "facts" / "data.json").read_text())
    write(
        "depth",
        {
            "command": f"chainrule train {STUDY} --train.threads 1",
            "data": data["name"],
            "images": data["parts"],
            "members": members,
        },
    )


if __name__ == "__main__":
    main()
