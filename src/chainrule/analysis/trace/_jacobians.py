"""The Jacobian of one state with respect to the one before, row by row from autograd's graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from chainrule.analysis._tape import Value
from chainrule.analysis.trace._observe import Edge, as_edges

Part = tuple[Edge, Value]


def jacobian(after: Sequence[Part], before: Sequence[Part], examples: int | None) -> Float[Tensor, "m n"]:
    """Return d(after)/d(before) as a matrix in float64; the parts of a state stand below and beside each other.

    Args:
        after: Edges and values of the later state.
        before: The same of the earlier one.
        examples: If given, states are batches of so many examples, and only the first example's block is found.

    Raises:
        RuntimeError: Autograd cannot go back through the step.
    """
    sizes = [value.tensor.numel() // (examples or 1) for _, value in after]
    rows = sum(sizes)
    seeds = []
    for number, (_, value) in enumerate(after):
        seed = torch.zeros(rows, value.tensor.numel(), dtype=value.dtype, device=value.tensor.device)
        start = sum(sizes[:number])
        seed[torch.arange(start, start + sizes[number]), torch.arange(sizes[number])] = 1
        seeds.append(seed.reshape(rows, *value.shape))
    blocks = _rows(after, before, seeds)
    columns = [value.tensor.numel() // (examples or 1) for _, value in before]
    flat = [block.reshape(rows, -1)[:, :count].double() for block, count in zip(blocks, columns)]
    return torch.cat(flat, dim=1)


def _rows(after: Sequence[Part], before: Sequence[Part], seeds: list[Tensor]) -> list[Tensor]:
    """All rows at once; one after the other where a step's backward pass cannot be batched."""
    roots, ends = as_edges([edge for edge, _ in after]), as_edges([edge for edge, _ in before])

    def back(given: list[Tensor], batched: bool) -> tuple[Tensor | None, ...]:
        return torch.autograd.grad(
            roots, ends, grad_outputs=given, retain_graph=True, allow_unused=True, is_grads_batched=batched
        )

    try:
        found = back(seeds, True)
    except RuntimeError:
        each = [back([seed[row] for seed in seeds], False) for row in range(len(seeds[0]))]
        found = tuple(_stacked([one[i] for one in each]) for i in range(len(before)))
    rows = len(seeds[0])
    return [
        torch.zeros(rows, *value.shape, dtype=value.dtype) if block is None else block.detach()
        for block, (_, value) in zip(found, before)
    ]


def _stacked(rows: list[Tensor | None]) -> Tensor | None:
    some = next((row for row in rows if row is not None), None)
    return None if some is None else torch.stack([torch.zeros_like(some) if row is None else row for row in rows])
