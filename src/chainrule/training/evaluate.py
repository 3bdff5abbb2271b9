"""Measuring a network on a part of the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from chainrule.metrics import Tally
from chainrule.training.task import Task


def tally(
    task: Task, model: nn.Module, part: str, *, batch: int = 500, measure: Callable[..., Any] | None = None
) -> dict[str, Tally]:
    """Run the network over a part in order and return its tallies.

    The mode of every layer is as before when it returns; no random number is drawn.
    """
    modes = [(module, module.training) for module in model.modules()]
    measure = measure or task.measure
    tallies: dict[str, Tally] = {}
    model.eval()
    try:
        with torch.inference_mode():
            examples = task.examples[part]
            for begin in range(0, len(examples), batch):
                index = torch.arange(begin, min(begin + batch, len(examples)))
                for name, value in measure(model, examples.fetch(index, index)).items():
                    tallies[name] = tallies[name].merge(value) if name in tallies else value
    finally:
        for module, training in modes:
            module.training = training
    return tallies


def evaluate(task: Task, model: nn.Module, part: str, *, batch: int = 500) -> dict[str, float]:
    """Return the metrics of the network on a part, by name.

    Args:
        task: Whose examples and metrics are used.
        model: The network.
        part: "valid" or "test" (or "train": without augmentation the training images as they are given).
        batch: Examples in a group; does not change the result beyond rounding.
    """
    return {name: float(value.result()) for name, value in tally(task, model, part, batch=batch).items()}
