"""A number for each example, by which equal examples are found again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_MOST = 4_096
"""Elements of an example that are looked at; of a larger one, evenly spaced ones."""
_VIEWS = {
    torch.float32: torch.int32,
    torch.float64: torch.int64,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
}


def example_numbers(tensors: Sequence[Tensor]) -> Tensor | None:
    """The same for all that a network is given: of bags of ids with offsets one number for each bag.

    Example:
        >>> found = example_numbers([torch.tensor([5, 6, 7, 5, 6]), torch.tensor([0, 2, 3])])
        >>> len(found), bool(found[0] == found[2])
        (3, True)
    """
    if not tensors:
        return None
    first, second = tensors[0], tensors[1] if len(tensors) > 1 else None
    whole = first.ndim == 1 and len(first) > 1 and first.dtype in (torch.int64, torch.int32)
    if not whole or second is None or second.ndim != 1 or not 1 < len(second) <= len(first):
        return row_numbers(first)
    if second.dtype not in (torch.int64, torch.int32) or int(second[0]) or bool((second.diff() < 0).any()):
        return row_numbers(first)
    lengths = torch.diff(torch.cat([second, second.new_tensor([len(first)])])).long()
    if int(lengths.min()) < 0:
        return row_numbers(first)
    bags = torch.arange(len(second), device=first.device).repeat_interleave(lengths)
    places = torch.arange(len(first), device=first.device) - second.long()[bags]
    terms = (first.long() * 0x9E3779B97F4A7C1 + 0x7F4A7C15) ^ ((first.long() + 1) << 29)
    terms = terms * (2 * places * 0x5851F42D4C957F2 + 1)
    return torch.zeros(len(second), dtype=torch.int64, device=first.device).index_add_(0, bags, terms).cpu()


def row_numbers(tensor: Tensor) -> Tensor | None:
    """Return one 64-bit number for each example; None without examples.

    A sum of the elements' bits, each times a number of its own, modulo 2^64: equal examples have equal numbers, and two
    others the same one with a chance of about 2^-64.

    Example:
        >>> found = row_numbers(torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]]))
        >>> bool(found[0] == found[2]), bool(found[0] == found[1])
        (True, False)
    """
    if not tensor.ndim or not tensor.numel() or tensor.is_complex():
        return None
    flat = tensor.detach().reshape(len(tensor), -1)
    step = -(-flat.shape[1] // _MOST)
    flat = flat[:, ::step].contiguous()
    bits = flat.view(_VIEWS[flat.dtype]) if flat.dtype in _VIEWS else flat
    generator = torch.Generator().manual_seed(flat.shape[1])
    factors = torch.randint(-(2**63), 2**63 - 1, (flat.shape[1],), generator=generator, dtype=torch.int64) | 1
    return (bits.long() * factors.to(bits.device)).sum(1).cpu()
