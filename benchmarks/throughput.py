"""Training images a second: our loop beside plain PyTorch loops and Keras 3 on the torch backend.

    CHAINRULE_DATA=... python benchmarks/throughput.py [TURNS] [THREADS] [--busy]

- `fashion-cnn`: its network, loss, optimizer and batch of 128 on Fashion-MNIST, without augmentation; ours also with
  the augmentation of the recipe, which the others do not have.
- ResNet-18 with the stem of small images (CONV3, no pooling) on CIFAR-10 images (the lossy form), batch 16.

Plain PyTorch is eager, channels first, the same network from the same builder with `torch.optim.SGD`: once with a
DataLoader over a TensorDataset, once with tensors cut by shuffled indices. Keras has the same layers, written in Keras
(channels last, as it is by default), and `fit`. Each contestant has a process of its own; a turn is some steps of which
the first are left out, and its figure the median seconds of a step. The ratios are of medians over turns.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contestants import PEERS, Contestant, median_seconds, peers_python, seconds_in_turns
from measure import begin, write

STEPS = {"fashion-cnn": (8, 40), "resnet18": (3, 12)}
"""Steps of a turn: left out, and counted."""


def contest(what: str, turns: int, threads: int, python: Path | None, place: Path) -> dict[str, Any]:
    """Let all take turns."""
    skipped, counted = STEPS[what]
    words = [what, "--threads", str(threads), "--skipped", str(skipped), "--counted", str(counted)]
    training = PEERS / "training.py"
    kinds = {"ours": "ours", "plain PyTorch, DataLoader": "loader", "plain PyTorch, indices": "indices"}
    if what == "fashion-cnn":
        kinds["ours, with augmentation"] = "augmented"
    makers: dict[str, Any] = {
        name: partial(Contestant, [training, kind, *words], threads) for name, kind in kinds.items()
    }
    if python is not None:
        keep_images(what, place)
        keras = [PEERS / "training_keras.py", *words, "--images", place / f"{what}.npz"]
        backend = {"KERAS_BACKEND": "torch"}
        makers["Keras 3"] = partial(Contestant, keras, threads, python=python, environment=backend)
    taken, facts = seconds_in_turns(makers, turns)
    batch = facts["ours"]["batch"]
    rates = {name: round(batch / seconds, 1) for name, seconds in median_seconds(taken).items()}
    return {
        "batch": batch,
        "parameters": {name: found["parameters"] for name, found in facts.items()},
        "images a second": rates,
        **{f"ours over {name}": round(rates["ours"] / rates[name], 3) for name in rates if "ours" not in name},
        **({"Keras": facts["Keras 3"]["version"]} if "Keras 3" in facts else {}),
    }


def keep_images(what: str, place: Path) -> None:
    """A few batches of the images as ours are given them, for those who cannot read the data set."""
    sys.path.insert(0, str(PEERS))
    from training import job_of

    job = job_of(what)
    index = torch.arange(sum(STEPS[what]) * job.recipe.train.batch)
    images = job.inputs("train", index).permute(0, 2, 3, 1).contiguous()  # (N, H, W, C)
    labels = job.images.labels[job.parts["train"][index]]
    np.savez(place / f"{what}.npz", images=images.numpy(), labels=labels.numpy())


def main(turns: int, threads: int) -> None:
    """Measure and write."""
    python = peers_python()
    with tempfile.TemporaryDirectory() as place:
        found = {what: contest(what, turns, threads, python, Path(place)) for what in STEPS}
    write("throughput", {"what": f"training, {threads} threads, medians of {turns} turns", **found})


if __name__ == "__main__":
    given = [int(word) for word in begin()]
    main(*(given + [5, 2][len(given) :]))
