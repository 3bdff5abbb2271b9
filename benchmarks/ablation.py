"""What each technique of `fashion-fast` brings: the recipe without it, everything else as it was.

    CHAINRULE_DATA=... python benchmarks/ablation.py [SEEDS] [--busy]

Accuracy is that of the validation part: the test part is not read. Where something takes a technique's place it is the
ordinary thing, with the rate that was best on the validation part among those that `OTHERS` names.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import begin, write

from chainrule import api

RECIPE = "fashion-fast"
WITHOUT: dict[str, dict[str, Any]] = {
    "fashion-fast": {},
    "a first layer that is learned": {"init.first": "as the others", "train.freeze": ["*bn*.weight"]},
    "SGD with Nesterov's momentum for all weights": {
        "optim.name": "sgd",
        "optim.lr": 0.1,
        "optim.momentum": 0.85,
        "optim.nesterov": True,
    },
    "He's initialization": {"init.scheme": "he"},
    "scales of the norms are learned": {"train.freeze": ["conv1.weight"]},
    "momentum 0.1 in the norms' averages": {"model.norm_momentum": 0.1},
    "no label smoothing": {"loss.smoothing": 0.0},
    "no mirrored images": {"augment.flip": 0.0},
    "a constant rate": {"schedule.name": "constant"},
}
"""What stands in the technique's place -> settings."""
OTHERS = {
    "SGD with Nesterov's momentum for all weights": [{"optim.lr": rate} for rate in (0.05, 0.1, 0.2)],
    "a constant rate": [{"optim.lr": rate, "optim.rest_lr": 2 * rate} for rate in (0.0125, 0.025, 0.05)],
}
"""Name -> settings to choose from, by the mean accuracy."""


def trained(settings: dict[str, Any], seeds: int) -> dict[str, Any]:
    """Train with several seeds."""
    right, seconds = [], []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as place:
            begun = time.perf_counter()
            run = api.train(
                RECIPE,
                out=Path(place, "run"),
                settings={**settings, "train.seed": seed, "train.test": False},
                report=False,
            )
            seconds.append(time.perf_counter() - begun)
            assert run.result is not None
            right.append(run.result["valid"]["accuracy"])
    return {
        "settings": settings,
        "accuracy": round(statistics.fmean(right), 5),
        "deviation": round(statistics.stdev(right), 5) if seeds > 1 else None,
        "accuracies": right,
        "seconds": round(statistics.median(seconds), 2),
    }


def main(seeds: int) -> None:
    """Measure and write."""
    rows = {}
    for name, settings in WITHOUT.items():
        tried = [trained({**settings, **more}, seeds) for more in OTHERS.get(name, [{}])]
        rows[name] = max(tried, key=lambda row: row["accuracy"])
        print(f"{name}: {rows[name]}", file=sys.stderr, flush=True)
    full = rows[RECIPE]["accuracy"]
    for row in rows.values():
        row["points lost"] = round(100 * (full - row["accuracy"]), 2)
    write(
        "ablation",
        {"what": f"validation accuracy of {RECIPE} without a technique, n = {seeds} seeds", "without": rows},
    )


if __name__ == "__main__":
    words = begin()
    main(int(words[0]) if words else 3)
