"""Train some recipes, alone or as one of several processes: `python runs.py ROOT`, or the same under torchrun.

Adam's eps is large: where a gradient is zero but for rounding (the bias of a key), it would make steps of the rounding.

Each run stands in ROOT/NAME; of several processes in ROOT/NAME-SIZE, and laid out over two of them in
ROOT/NAME-SIZE-shard.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from chainrule.runtime.launched import launched
from chainrule.runtime.processes import Processes, joined
from chainrule.runtime.world import Alone, World
from chainrule.tasks import open_recipe
from chainrule.tasks.runs._together import begin_together
from chainrule.tasks.runs._train import continue_run

SENTENCES = (
    "a dog runs\nein Hund läuft\ntwo dogs\nzwei Hunde\nthe small cat sleeps now\ndie kleine Katze schläft jetzt\n"
)
TRAIN = {
    "steps": 7,
    "parts": 4,
    "threads": 1,
    "precision": "float64",
    "log_every": 1,
    "keep_every": 3,
    "keep": 9,
    "test": False,
}
CASES: dict[str, dict[str, Any]] = {
    "images": {  # 150 images: batches of 32 and a last one of 14; batch statistics, masks, mixtures, an average
        "data": {"name": "digits", "limit": 150},
        "augment": {"shift": 1, "mixup": 0.4},
        "model": {
            "name": "layers",
            "spec": "CONV3-8 nobias | BN | RELU | POOL2 | CONV3-8 nobias | BN | RELU | DROPOUT0.2 | FC-10",
        },
        "optim": {"name": "adamw", "lr": 0.01, "eps": 1e-6},
        "penalty": {"l2": 0.01},
        "train": {**TRAIN, "batch": 32, "ema": 0.9, "clip_norm": 1.0, "evaluate_every": 3},
    },
    "short-step": {  # five examples at the end of an epoch: fewer than two for each of four processes
        "data": {"name": "digits", "limit": 43},
        "model": {"name": "mlp", "hidden": [16]},
        "optim": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
        "train": {**TRAIN, "batch": 12, "parts": 3},
    },
    "muon": {
        "data": {"name": "digits", "limit": 150},
        "model": {"name": "mlp", "hidden": [32, 32]},
        "optim": {"name": "muon", "lr": 0.02},
        "train": {**TRAIN, "batch": 32},
    },
    "carried": {  # a state that goes from step to step, of uneven lanes
        "task": "language",
        "data": {"name": "text-file", "file": "text.txt", "length": 12, "order": "lanes", "context": 4},
        "model": {"name": "recurrent", "cell": "lstm", "embedding": 8, "width": 16, "layers": 1},
        "optim": {"name": "adamw", "lr": 0.01, "eps": 1e-6},
        "train": {**TRAIN, "batch": 6},
    },
    "transformer": {  # blocks, tied weights, a schedule
        "task": "language",
        "data": {"name": "text-file", "file": "text.txt", "length": 12, "context": 4},
        "model": {"name": "gpt", "width": 16, "layers": 2, "num_heads": 2, "dropout": 0.1},
        "optim": {"name": "adamw", "lr": 0.01, "eps": 1e-6},
        "schedule": {"name": "cosine", "warmup": 0.3},
        "train": {**TRAIN, "batch": 6},
    },
    "ignored-targets": {  # sentences of many lengths: what fills them up does not count
        "task": "translate",
        "data": {"name": "parallel-files", "source": "en.txt", "target": "de.txt", "tokenizer": "characters"},
        "model": {"name": "transformer", "width": 16, "layers": 1, "num_heads": 2, "hidden": 32, "tie": "all"},
        "optim": {"name": "adamw", "lr": 0.01, "eps": 1e-6},
        "train": {**TRAIN, "batch": 6},
    },
}


def inputs(folder: Path) -> None:
    """Write what the cases read."""
    (folder / "text.txt").write_text("the cat sat on the mat and the dog sat on the cat. " * 40)
    lines = SENTENCES.splitlines()
    for name, first in (("en.txt", 0), ("de.txt", 1)):
        (folder / name).write_text("\n".join(f"{lines[first::2][i % 3]} {'x' * (i % 7)}{i}" for i in range(90)))


def settings(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The case with its files where they are."""
    files = {key: str(folder / case["data"][key]) for key in ("file", "source", "target") if key in case["data"]}
    return {**case, "data": {**case["data"], **files}}


def train(world: World, root: Path, suffix: str) -> None:
    """Train every case."""
    for name, case in CASES.items():
        recipe = open_recipe(settings(case, root))
        out = root / f"{name}{suffix}"
        job = begin_together(recipe, out, world, name=name, command="", own=None, given=True)
        continue_run(out, job, world=world)


def main(root: Path) -> None:
    """Train alone, or together in each layout."""
    torch.set_num_threads(1)
    if not launched():
        train(Alone(), root, "")
        return
    with joined() as world:
        assert isinstance(world, Processes)
        train(world, root, f"-{world.size}")
        laid = Processes(world.rank, world.size, world.device, 2, world.heartbeat)
        laid._first = 1000
        train(laid, root, f"-{world.size}-shard")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
