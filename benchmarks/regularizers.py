"""What early stopping, a larger rate, noise and shortcuts do: each against the same training without it.

    python benchmarks/regularizers.py

Trains the study `digits-regularizers` with three seeds into `runs/measured/digits-regularizers` (what is finished there
is not trained again) and writes `results/regularizers.json`: of each member the loss of the last training steps as they
were seen, how many steps the result took, and accuracy and loss on the test part, which is read once. One thread, so
that the figures do not depend on the number of cores.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from measure import write

from chainrule import api

STUDY = "digits-regularizers"
RUNS = Path("runs", "measured", STUDY)
SEEDS = 3
LAST = 10
"""Steps whose mean loss is told: an epoch."""


def seen(path: Path) -> tuple[float, int]:
    """The training loss at the end of a run, and at which step what is kept was reached."""
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["part"] == "train"]
    return statistics.fmean(losses[-LAST:]), json.loads((path / "run.json").read_text())["result"]["best_step"]


def main() -> None:
    """Train, and write what came of it."""
    found = api.compare(STUDY, repeats=SEEDS, out=RUNS, settings={"train.threads": 1})
    members: dict[str, Any] = {}
    for name, member in found["members"].items():
        ends = [seen(RUNS / name / f"seed-{seed}") for seed in member["seeds"]]
        members[name] = {
            "seeds": member["seeds"],
            "train loss": round(statistics.fmean(loss for loss, _ in ends), 5),
            "step": round(statistics.fmean(step for _, step in ends)),
            "test": {metric: member["test"][metric] for metric in ("accuracy", "loss")},
        }
    what = f"{SEEDS} seeds, one thread, the test part read once"
    write("regularizers", {"what": what, "command": f"chainrule train {STUDY} --repeats {SEEDS}", "members": members})


if __name__ == "__main__":
    main()
