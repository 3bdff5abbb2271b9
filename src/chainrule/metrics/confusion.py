"""How often each class was taken for each other one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.metrics._scores import check_scores


@dataclass(frozen=True, eq=False)
class Confusion:
    """Counts (K, K): rows are the true classes, columns the predicted ones.

    Args:
        matrix: The counts.

    Example:
        >>> scores = torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0]])
        >>> counts = Confusion.of(scores, torch.tensor([0, 1, 1]), classes=2)
        >>> counts.matrix.tolist()
        [[1, 0], [1, 1]]
        >>> counts.per_class()[0]
        {'count': 1, 'precision': 0.5, 'recall': 1.0, 'f1': 0.6666666666666666}

    Source:
        LECTURES A1.
    """

    matrix: Int64[Tensor, "k k"]

    @classmethod
    def of(cls, scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"], *, classes: int | None = None) -> Confusion:
        """Return the counts of some examples.

        Args:
            scores: Scores of the K classes.
            targets: Right classes.
            classes: K, when it should be checked.

        Raises:
            UsageError: The shapes do not fit together.
            DataError: A class is out of range.
            NonFiniteError: A score is NaN.
        """
        check_scores("confusion", scores, targets)
        known = scores.shape[1]
        if classes is not None and classes != known:
            raise UsageError("confusion: each class has a score", expected=f"{classes} scores an example", got=known)
        if not len(targets):
            return cls(torch.zeros(known, known, dtype=torch.int64))
        pairs = targets.long() * known + scores.argmax(1)
        return cls(torch.bincount(pairs, minlength=known * known).reshape(known, known).cpu())

    def merge(self, other: Confusion) -> Confusion:
        """Return the counts of both.

        Raises:
            UsageError: They have another number of classes.
        """
        if self.matrix.shape != other.matrix.shape:
            raise UsageError(
                "confusion: only counts of the same classes merge", expected=len(self.matrix), got=len(other.matrix)
            )
        return Confusion(self.matrix + other.matrix)

    def result(self) -> float:
        """Return the accuracy; NaN of nothing."""
        count = int(self.matrix.sum())
        return int(self.matrix.diagonal().sum()) / count if count else float("nan")

    def seen(self) -> list[bool]:
        """Return of each class whether an example is of it, or was taken for it."""
        return (self.matrix.sum(0) + self.matrix.sum(1) > 0).tolist()

    def per_class(self) -> list[dict[str, Any]]:
        """Return count, precision, recall and F1 of each class; a share of nothing is 0, as scikit-learn has it."""
        right = self.matrix.diagonal().tolist()
        predicted, actual = self.matrix.sum(0).tolist(), self.matrix.sum(1).tolist()
        return [
            {"count": n, "precision": _share(r, p), "recall": _share(r, n), "f1": _share(2 * r, p + n)}
            for r, p, n in zip(right, predicted, actual)
        ]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
