"""Sums of absolute differences between all pairs of two sets, by numba where it is installed and by torch elsewhere."""

from __future__ import annotations

import importlib.util
from functools import cache

import torch
from jaxtyping import Float32, Int32, UInt8
from torch import Tensor


def manhattan(queries: Float32[Tensor, "q d"], points: Float32[Tensor, "n d"]) -> Float32[Tensor, "q n"]:
    """Return sum_i |a_i - b_i| for each query a and point b, summed in float32.

    Example:
        >>> manhattan(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0], [1.0, 5.0]])).tolist()
        [[3.0, 3.0]]
    """
    if queries.device.type != "cpu" or not has_fast():
        return torch.cdist(queries, points, p=1)
    from chainrule.ops.neighbors._manhattan_tiles import fill_tiles

    out = torch.empty(len(queries), len(points))
    threads = torch.get_num_threads()
    fill_tiles(queries.contiguous().numpy(), points.contiguous().numpy(), out.numpy(), threads=threads)
    return out


def byte_manhattan(queries: UInt8[Tensor, "q d"], points: UInt8[Tensor, "n d"]) -> Int32[Tensor, "q n"]:
    """Return sum_i |a_i - b_i| for each query a and point b, exact; needs numba.

    Processors have an instruction for such sums, which takes 64 numbers at a time.
    """
    from chainrule.ops.neighbors._manhattan_tiles import fill_byte_sums

    out = torch.empty(len(queries), len(points), dtype=torch.int32)
    threads = torch.get_num_threads()
    fill_byte_sums(queries.contiguous().numpy(), points.contiguous().numpy(), out.numpy(), threads=threads)
    return out


@cache
def has_fast() -> bool:
    """Whether numba is installed, which the extra `fast` brings."""
    return importlib.util.find_spec("numba") is not None
