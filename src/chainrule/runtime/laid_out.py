"""Tensors of which each process has a part (`DTensor`), and those that all have whole.

Nothing of torch.distributed is loaded for a process alone: no such tensor can be there before it is.
"""

from __future__ import annotations

import sys

from torch import Tensor


def is_laid_out(tensor: Tensor) -> bool:
    """Return whether each process has a part of a tensor.

    Example:
        >>> import torch
        >>> is_laid_out(torch.ones(2))
        False
    """
    loaded = sys.modules.get("torch.distributed.tensor")
    return loaded is not None and isinstance(tensor, loaded.DTensor)


def laid_as(tensor: Tensor, other: Tensor) -> Tensor:
    """Return a whole tensor, which all processes have, laid out as another one is; as it is where that is whole too."""
    if not is_laid_out(other) or is_laid_out(tensor):
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(other, DTensor)
    given = tensor.to(other.device)
    laid: Tensor = distribute_tensor(given, other.device_mesh, other.placements, src_data_rank=None)
    return laid


def local(tensor: Tensor) -> Tensor:
    """Return this process's part of a tensor; all of it, where it is whole."""
    if not is_laid_out(tensor):
        return tensor
    from torch.distributed.tensor import DTensor

    assert isinstance(tensor, DTensor)
    return tensor.to_local()


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor whole; all processes call it. Its gradient is summed over the processes.

    A loss that every process adds its share of, such as a penalty of the weights, is computed from it.
    """
    if not is_laid_out(tensor):
        return tensor
    from torch.distributed.tensor import DTensor, Partial

    assert isinstance(tensor, DTensor)
    return tensor.full_tensor(grad_placements=[Partial("sum")] * tensor.device_mesh.ndim)
