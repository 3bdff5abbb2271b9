"""How often each class was taken for each other one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Confusion:
    """Counts (K, K): rows are the true classes, columns the predicted ones.

    Example:
        >>> scores = torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0]])
        >>> Confusion.of(scores, torch.tensor([0, 1, 1]), classes=2).matrix.tolist()
        [[1, 0], [1, 1]]
    """

    matrix: Int64[Tensor, "k k"]

    @classmethod
    def of(cls, scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"], *, classes: int) -> Confusion:
        """Return the counts of some examples."""
        pairs = targets.long() * classes + scores.argmax(1)
        return cls(torch.bincount(pairs, minlength=classes * classes).reshape(classes, classes))

    def merge(self, other: Confusion) -> Confusion:
        """Return the counts of both."""
        return Confusion(self.matrix + other.matrix)

    def result(self) -> float:
        """Return the accuracy; NaN of nothing."""
        count = int(self.matrix.sum())
        return float(self.matrix.diagonal().sum()) / count if count else float("nan")

    def per_class(self) -> list[dict[str, Any]]:
        """Return count, precision, recall and F1 of each class; a share of nothing is 0."""
        right = self.matrix.diagonal().double()
        predicted, actual = self.matrix.sum(0).double(), self.matrix.sum(1).double()
        precision, recall = right / predicted.clamp_min(1), right / actual.clamp_min(1)
        f1 = 2 * right / (predicted + actual).clamp_min(1)
        rows = zip(actual.long().tolist(), precision.tolist(), recall.tolist(), f1.tolist())
        return [{"count": n, "precision": p, "recall": r, "f1": f} for n, p, r, f in rows]
