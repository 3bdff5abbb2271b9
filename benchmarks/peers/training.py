"""One contestant of `../throughput.py` that needs nothing but our own environment: our loop, or a plain PyTorch loop.

python training.py ours|augmented|loader|indices fashion-cnn|resnet18 --threads N --skipped N --counted N
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from turns import quiet_output, take_turns

from chainrule.core.folder import RunFolder
from chainrule.core.journal import Journal
from chainrule.models import resnet
from chainrule.tasks import Classification, open_recipe
from chainrule.tasks.runs._plan import plan_of
from chainrule.training.loop import start, train_loop
from chainrule.training.observe import write_metrics, write_timing
from chainrule.training.rules import stop_on_non_finite
from chainrule.training.task import never

RESNET18 = {
    "format": 1,
    "data": {"name": "cifar10-jpeg", "validation": 0.1, "normalize": "channel"},
    "model": {"name": "own"},
    "loss": {"name": "softmax"},
    "optim": {"name": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0005},
    "train": {"steps": 1000, "batch": 16},
}
NO_AUGMENTATION = {"augment.flip": 0.0, "augment.shift": 0}


def small_resnet18() -> nn.Module:
    """ResNet-18 for images of 32x32."""
    model: Any = resnet((3, 32, 32), 10, depth=18)
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    return model


def job_of(what: str, *, augmented: bool = False) -> Classification:
    """The recipe with its data."""
    if what == "resnet18":
        return Classification(open_recipe(RESNET18), network=small_resnet18)
    return Classification(open_recipe(what, {} if augmented else NO_AUGMENTATION))


def ours(job: Classification, steps: int) -> list[float]:
    """The times at which the steps of a new run ended; its journals are written as in any run."""
    task, times = job.task(), []
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place))
        with Journal(folder.metrics) as metrics, Journal(folder.timing) as timing:
            state = start(task, 0)
            plan = plan_of(job, never, stop_on_non_finite(), lambda state: None)
            plan = dataclasses.replace(plan, evaluate=never, keep=never, stop=lambda at: at.step >= steps)
            watchers = [
                write_metrics(metrics, every=max(1, plan.steps // 500), steps=plan.steps),
                write_timing(timing),
                lambda seen: times.append(time.perf_counter()),
            ]
            train_loop(task, state, plan, observers=watchers)
    return times


def from_loader(images: Tensor, labels: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """As a newcomer reads batches."""
    loader = DataLoader(TensorDataset(images, labels), batch_size=batch, shuffle=True, drop_last=True)
    while True:
        yield from loader


def from_indices(images: Tensor, labels: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """As somebody reads batches who knows that all is in memory."""
    while True:
        for index in torch.randperm(len(images)).split(batch):
            if len(index) == batch:
                yield images[index], labels[index]


def plain(job: Classification, batches: Iterator[tuple[Tensor, Tensor]], steps: int) -> list[float]:
    """The times at which the steps of a plain loop ended: eager, channels first."""
    recipe = job.recipe
    model = job.model().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    chosen = {key: recipe.optim.options[key] for key in ("lr", "momentum", "nesterov", "weight_decay")}
    optimizer = torch.optim.SGD(model.parameters(), **chosen)
    criterion = nn.CrossEntropyLoss(label_smoothing=recipe.loss.options.get("smoothing", 0.0))
    times = []
    model.train()
    for _, (x, y) in zip(range(steps), batches):
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
        times.append(time.perf_counter())
    return times


def main(args: argparse.Namespace) -> None:
    """Get ready and take turns."""
    out = quiet_output()
    torch.set_num_threads(args.threads)
    job, steps = job_of(args.what, augmented=args.kind == "augmented"), args.skipped + args.counted
    if args.kind in ("loader", "indices"):
        images = job.inputs("train", torch.arange(len(job.parts["train"]))).contiguous()
        labels = job.images.labels[job.parts["train"]]
        source = from_loader if args.kind == "loader" else from_indices
        batches = source(images, labels, job.recipe.train.batch)

    def turn() -> dict[str, Any]:
        times = plain(job, batches, steps) if args.kind in ("loader", "indices") else ours(job, steps)
        return {"seconds": float(np.median(np.diff(times)[args.skipped - 1 :]))}

    parameters = sum(p.numel() for p in job.model().parameters())
    take_turns(turn, {"batch": job.recipe.train.batch, "parameters": parameters}, out=out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["ours", "augmented", "loader", "indices"])
    parser.add_argument("what", choices=["fashion-cnn", "resnet18"])
    for name in ("threads", "skipped", "counted"):
        parser.add_argument(f"--{name}", type=int, required=True)
    main(parser.parse_args())
