"""Shares of examples that are classified right."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Accuracy:
    """Share of examples whose highest score is that of their class; of equal scores the first counts.

    Example:
        >>> import torch
        >>> Accuracy.of(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0])).result()
        0.5

    Source:
        LECTURES A1.
    """

    right: int = 0
    count: int = 0

    @classmethod
    def of(cls, scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"]) -> Accuracy:
        """Return the tally of some examples."""
        return cls(int((scores.argmax(1) == targets).sum()), len(targets))

    def merge(self, other: Accuracy) -> Accuracy:
        """Return the tally of both."""
        return Accuracy(self.right + other.right, self.count + other.count)

    def result(self) -> float:
        """Return the share; NaN of nothing."""
        return self.right / self.count if self.count else float("nan")


@dataclass(frozen=True)
class TopK:
    """Share of examples whose class is among the k highest scores.

    Example:
        >>> import torch
        >>> TopK.of(torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([1]), k=2).result()
        1.0
    """

    right: int = 0
    count: int = 0

    @classmethod
    def of(cls, scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"], *, k: int = 5) -> TopK:
        """Return the tally of some examples; a k above the number of classes counts them all."""
        best = scores.topk(min(k, scores.shape[1]), dim=1).indices  # (n, k)
        return cls(int((best == targets[:, None]).any(1).sum()), len(targets))

    def merge(self, other: TopK) -> TopK:
        """Return the tally of both."""
        return TopK(self.right + other.right, self.count + other.count)

    def result(self) -> float:
        """Return the share; NaN of nothing."""
        return self.right / self.count if self.count else float("nan")
