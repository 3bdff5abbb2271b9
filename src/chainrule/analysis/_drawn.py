"""Inputs of a shape that somebody named, for looking at what is called with them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from chainrule.core.shapes import InputShape


def drawn(asked: InputShape, seed: int) -> Tensor:
    """Return standard normal numbers; zeros where indices, classes or truths are asked for.

    Args:
        asked: Shape and type; float32 where no type is named.
        seed: Of the numbers.

    Example:
        >>> drawn(InputShape((2,), "int64"), 0), drawn(InputShape((2, 3), None), 0).dtype
        (tensor([0, 0]), torch.float32)
    """
    kind: torch.dtype = getattr(torch, asked.dtype or "float32")
    if not kind.is_floating_point:
        return torch.zeros(asked.shape, dtype=kind)
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(asked.shape)).to(kind)
