"""Shares of examples that are classified right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.metrics._scores import check_scores


@dataclass(frozen=True)
class Accuracy:
    """Share of examples whose highest score is that of their class; of equal scores the first counts.

    Args:
        right: Examples classified right.
        count: Examples.

    Example:
        >>> Accuracy.of(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0])).result()
        0.5

    Source:
        LECTURES A1.
    """

    right: int = 0
    count: int = 0

    @classmethod
    def of(cls, scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"]) -> Accuracy:
        """Return the tally of some examples.

        Raises:
            UsageError: The shapes do not fit together.
            DataError: A class is out of range.
            NonFiniteError: A score is NaN.
        """
        check_scores("accuracy", scores, targets)
        return cls(int((scores.argmax(1) == targets.long()).sum()) if len(targets) else 0, len(targets))

    def merge(self, other: Accuracy) -> Accuracy:
        """Return the tally of both."""
        return Accuracy(self.right + other.right, self.count + other.count)

    def result(self) -> float:
        """Return the share; NaN of nothing."""
        return self.right / self.count if self.count else float("nan")


MANY_CLASSES = 20
"""Of more classes the five highest scores are counted as well."""


def shares_right(scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"]) -> dict[str, Accuracy | TopK]:
    """Return the tallies of "accuracy" and, of more than 20 classes, "top5": right if it is among the five highest.

    Raises:
        UsageError: The shapes do not fit together.
        DataError: A class is out of range.
        NonFiniteError: A score is NaN.

    Example:
        >>> found = shares_right(torch.eye(30)[:4], torch.tensor([0, 1, 3, 29]))
        >>> found["accuracy"].result(), found["top5"].result()
        (0.5, 0.75)
        >>> list(shares_right(torch.eye(10), torch.arange(10)))
        ['accuracy']

    Source:
        LECTURES A1, D5.
    """
    found: dict[str, Accuracy | TopK] = {"accuracy": Accuracy.of(scores, targets)}
    return found | {"top5": TopK.of(scores, targets, k=5)} if scores.shape[1] > MANY_CLASSES else found


@dataclass(frozen=True)
class TopK:
    """Share of examples whose class is among the k highest scores; of equal scores the earlier class counts first.

    So the answer does not depend on how a sort treats ties, and `k=1` is `Accuracy`.

    Args:
        right: Examples whose class is among them.
        count: Examples.
        k: How many scores may be higher or equal, and one.

    Example:
        >>> TopK.of(torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([1]), k=2).result()
        1.0

    Source:
        LECTURES D5 (top-5, as ImageNet counts).
    """

    right: int = 0
    count: int = 0
    k: int = 5

    @classmethod
    def of(cls, scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"], *, k: int = 5) -> TopK:
        """Return the tally of some examples; a k above the number of classes counts them all.

        Raises:
            UsageError: k is below 1, or the shapes do not fit together.
            DataError: A class is out of range.
            NonFiniteError: A score is NaN.
        """
        if k < 1:
            raise UsageError("topk: k counts scores", expected="at least 1", got=k)
        check_scores("topk", scores, targets)
        if not len(targets):
            return cls(k=k)
        right = targets.long()[:, None]  # (n, 1)
        own = scores.gather(1, right)
        earlier = torch.arange(scores.shape[1], device=scores.device) < right  # (n, k)
        before = (scores > own) | ((scores == own) & earlier)
        return cls(int((before.sum(1) < k).sum()), len(targets), k)

    def merge(self, other: TopK) -> TopK:
        """Return the tally of both.

        Raises:
            UsageError: They have another k.
        """
        if self.k != other.k:
            raise UsageError("topk: only tallies of the same k merge", expected=f"k = {self.k}", got=other.k)
        return TopK(self.right + other.right, self.count + other.count, self.k)

    def result(self) -> float:
        """Return the share; NaN of nothing."""
        return self.right / self.count if self.count else float("nan")
