"""What is kept of the tensors of a training while it is watched."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from chainrule.diagnosis.doctor._events import Inputs


def norm_of(tensors: list[Tensor]) -> float:
    """The norm of all elements together; 0 without any."""
    return float(torch.nn.utils.get_total_norm([t.detach().float() for t in tensors if t.numel()])) if tensors else 0.0


def copied(structure: Any) -> Any:
    """The same with copies of its tensors, as they are now."""
    return tree_map(lambda leaf: leaf.detach().clone() if isinstance(leaf, Tensor) else leaf, structure)


def summary_of(tensor: Tensor, *, keep: bool) -> Inputs:
    """What is told of an input: its shape and, of its first examples, mean, spread, least and most."""
    some = tensor.detach()[:256].float() if tensor.ndim else tensor.detach().float().reshape(1)
    if not some.numel():
        return Inputs(tuple(tensor.shape), tensor.dtype, 0.0, 0.0, 0.0, 0.0)
    spread, mean = torch.std_mean(some, correction=0)
    numbers = torch.stack([mean, spread, some.min(), some.max()]).tolist()
    names = dict(zip(("mean", "spread", "least", "most"), numbers))
    return Inputs(tuple(tensor.shape), tensor.dtype, **names, tensor=tensor.detach().clone() if keep else None)
