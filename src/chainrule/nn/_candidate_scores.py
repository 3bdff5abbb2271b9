"""Scores of a few candidates out of a large table."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


def candidate_scores(
    known: Float[Tensor, "p d"], table: Float[Tensor, "v d"], candidates: Int64[Tensor, "p k"]
) -> Float[Tensor, "p k"]:
    """Return score[p, k] = known[p] . table[candidates[p, k]], without the (P, K, D) table of all rows.

    Args:
        known: One vector for each of P questions.
        table: A row for each of V possible answers.
        candidates: Which K answers each question is scored with.

    Example:
        >>> candidate_scores(torch.tensor([[1.0, 2.0]]), torch.eye(2), torch.tensor([[1, 0, 1]])).tolist()
        [[2.0, 1.0, 2.0]]

    Source:
        LECTURES G5; on a CPU about four times the speed of rows looked up and multiplied.
    """
    scores: Tensor = _Scores.apply(known, table, candidates)
    return scores


class _Scores(torch.autograd.Function):
    """One candidate at a time: each pass over (P, D) stays in the cache."""

    @staticmethod
    def forward(ctx: Any, known: Tensor, table: Tensor, candidates: Tensor) -> Tensor:
        ctx.save_for_backward(known, table, candidates)
        return torch.stack([(known * table[column]).sum(1) for column in candidates.unbind(1)], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (grad,) = grads
        known, table, candidates = ctx.saved_tensors
        of_known = of_table = None
        if ctx.needs_input_grad[0]:
            of_known = functional.embedding_bag(candidates, table, per_sample_weights=grad.contiguous(), mode="sum")
        if ctx.needs_input_grad[1]:
            of_table = torch.zeros_like(table)
            for column, share in zip(candidates.unbind(1), grad.unbind(1)):
                of_table.index_add_(0, column, known * share.unsqueeze(1))
        return of_known, of_table, None
