"""Measuring a network on a part of the data."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from torch import nn

from chainrule.metrics import LeftOut, Tally
from chainrule.runtime.device import placed
from chainrule.runtime.world import Alone, World
from chainrule.training.task import Task


def tally(
    task: Task,
    model: nn.Module,
    part: str,
    *,
    batch: int = 500,
    measure: Callable[..., Any] | None = None,
    world: World | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Tally]:
    """Run the network over a part in order and return its tallies.

    The mode of every layer is as before when it returns; no random number is drawn. Processes that share the work take
    the groups in turn; in the last turn some repeat the last group, which does not count.
    """
    world = world or Alone()
    modes = [(module, module.training) for module in model.modules()]
    measure = measure or task.measure
    tallies: dict[str, Tally] = {}
    model.eval()
    try:
        with torch.inference_mode():
            examples = task.examples[part]
            groups = range(0, len(examples), batch)
            for first in range(0, len(groups), world.size):
                mine = first + world.rank
                begin = groups[min(mine, len(groups) - 1)]
                index = torch.arange(begin, min(begin + batch, len(examples)))
                given = placed(examples.fetch(index, index), world.device, dtype)
                # where nothing of a group can be read, other processes still need this one's share of the layers
                found = measure(model, given) if len(given) or world.size > 1 else {}
                if given.skipped:
                    found["skipped"] = LeftOut(given.skipped)
                if mine < len(groups):
                    tallies = _merged(tallies, found)
    finally:
        for module, training in modes:
            module.training = training
    return reduce(_merged, world.gather(tallies))


def _merged(one: dict[str, Tally], two: dict[str, Tally]) -> dict[str, Tally]:
    return {**one, **{name: one[name].merge(value) if name in one else value for name, value in two.items()}}


def evaluate(
    task: Task,
    model: nn.Module,
    part: str,
    *,
    batch: int = 500,
    world: World | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, float]:
    """Return the metrics of the network on a part, by name.

    Args:
        task: Whose examples and metrics are used.
        model: The network.
        part: "valid" or "test" (or "train": without augmentation the training images as they are given).
        batch: Examples in a group; does not change the result beyond rounding.
        world: The processes that share the work; all of them call this and have the result.
        dtype: Type of the numbers that the network is given; as they are when left out.

    Returns:
        Name -> value; where examples could not be read and were left out, also how many: "skipped".
    """
    found = tally(task, model, part, batch=batch, world=world, dtype=dtype)
    return {name: float(value.result()) for name, value in found.items()}
