"""One's own tensors as examples: checked, and split into training and validation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.data import Batch
from chainrule.runtime.rng import keys


class Pairs:
    """Inputs and targets in memory, as the examples that a training loop asks for by index.

    Args:
        inputs: (N, ...).
        targets: (N,) whole numbers for classes, floats for a regression.
        index: Which of them belong to this part.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, index: Tensor) -> None:
        self.inputs, self.targets, self.index = inputs, targets, index

    def __len__(self) -> int:
        return len(self.index)

    def fetch(self, index: Tensor, key: Tensor) -> Batch:
        """Return the batch of some positions within this part."""
        chosen = self.index[index]
        return Batch(self.inputs[chosen], self.targets[chosen], key, index)


def checked_pairs(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Return x and y as tensors: inputs in float32 if they are floats, classes in int64, other targets in float32.

    Raises:
        DataError: They do not belong together, are too few, hold values that are not finite, or y holds no classes.
    """
    inputs, targets = torch.as_tensor(x), torch.as_tensor(y)
    if len(inputs) != len(targets):
        raise DataError("x and y do not belong together", expected=f"{len(inputs)} targets", got=len(targets))
    if len(inputs) < 2:
        raise DataError("there are too few examples", expected="at least 2", got=len(inputs))
    for name, tensor in (("x", inputs), ("y", targets)):
        if tensor.is_floating_point() and not tensor.isfinite().all():
            row = (
                int((~tensor.isfinite()).flatten(1).any(1).nonzero()[0])
                if tensor.ndim > 1
                else int((~tensor.isfinite()).nonzero()[0])
            )
            raise DataError(f"{name} holds values that are not finite", got=f"the first in example {row}")
    if inputs.dtype == torch.float64:
        inputs = inputs.float()
    if targets.is_floating_point():
        return inputs, targets.float()
    if targets.ndim != 1 or int(targets.min()) < 0:
        raise DataError("y holds no classes", expected="whole numbers from 0 on, shape (N,)", got=tuple(targets.shape))
    return inputs, targets.long()


def split_parts(count: int, validation: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the positions of the training and of the validation part, at least one example each.

    Raises:
        UsageError: The share is not between 0 and 1.
    """
    if not 0 < validation < 1:
        raise UsageError("validation is no share", expected="a number between 0 and 1", got=validation)
    order = torch.argsort(keys(seed, 0, torch.arange(count), "split"))
    held = max(1, min(count - 1, round(validation * count)))
    return order[held:].sort().values, order[:held].sort().values
