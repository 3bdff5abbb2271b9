"""The worst mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.metrics._scores import check_scores

By = Literal["loss", "probability"]
_NAMES = ("index", "truth", "predicted", "probability", "loss")


@dataclass(frozen=True)
class Mistakes:
    """The wrong answers with the highest losses, worst first; of equal ones the earlier example.

    Args:
        kept: Records of the worst, sorted by example.
        count: How many are kept.
        wrong: Mistakes in all.
        by: What makes one worse: its loss, or the probability that the network gave to its wrong answer.

    Example:
        >>> scores, losses = torch.tensor([[2.0, 1.0], [0.0, 5.0]]), torch.tensor([1.3, 5.0])
        >>> Mistakes.of(scores, torch.tensor([1, 0]), torch.tensor([7, 8]), losses, count=1).records()[0]["index"]
        8

    Source:
        LECTURES A1.
    """

    kept: tuple[dict[str, Any], ...]
    count: int
    wrong: int
    by: By = "loss"

    @classmethod
    def of(
        cls,
        scores: Float[Tensor, "n k"],
        targets: Int[Tensor, " n"],
        index: Int[Tensor, " n"],
        losses: Float[Tensor, " n"],
        *,
        count: int = 24,
        by: By = "loss",
    ) -> Mistakes:
        """Return the worst `count` mistakes among some examples.

        Args:
            scores: Scores of the K classes.
            targets: Right classes.
            index: Which example each row is.
            losses: Of each example.
            count: How many are kept.
            by: "loss" or "probability".

        Raises:
            UsageError: The shapes do not fit together, a negative count, or another word for `by`.
            DataError: A class is out of range.
            NonFiniteError: A score is NaN.
        """
        check_scores("mistakes", scores, targets)
        targets = targets.long()
        if count < 0:
            raise UsageError("mistakes: count is how many are kept", expected="at least 0", got=count)
        if by not in ("loss", "probability"):
            raise UsageError("mistakes are ordered by loss or probability", expected="loss or probability", got=by)
        if index.shape != targets.shape or losses.shape != targets.shape:
            raise UsageError(
                "mistakes: each example has an index and a loss",
                expected=f"shape {tuple(targets.shape)}",
                got=f"{tuple(index.shape)} and {tuple(losses.shape)}",
            )
        if not len(targets):
            return cls((), count, 0, by)
        chances, predicted = torch.softmax(scores.double(), dim=1).max(1).values, scores.argmax(1)
        wrong = (predicted != targets).nonzero().flatten()
        columns = {
            name: values[wrong].cpu().numpy()
            for name, values in zip(_NAMES, (index, targets, predicted, chances, losses.double()))
        }
        worst = np.lexsort(_ranks(columns, by)[::-1])[:count]  # the last key is the first for numpy
        rows = zip(*(column[worst].tolist() for column in columns.values()))
        return cls(_by_example(dict(zip(_NAMES, row)) for row in rows), count, len(wrong), by)

    def merge(self, other: Mistakes) -> Mistakes:
        """Return the worst of both.

        Raises:
            UsageError: They keep another number, or order otherwise.
        """
        if (self.count, self.by) != (other.count, other.by):
            raise UsageError(
                "mistakes: only lists of one kind merge",
                expected=f"{self.count} by {self.by}",
                got=f"{other.count} by {other.by}",
            )
        worst = self._worst_first([*self.kept, *other.kept])[: self.count]
        return Mistakes(_by_example(worst), self.count, self.wrong + other.wrong, self.by)

    def result(self) -> float:
        """Return the number of mistakes, kept or not."""
        return float(self.wrong)

    def records(self) -> list[dict[str, Any]]:
        """Return the kept ones as plain data, worst first: index, truth, predicted, probability (of it) and loss."""
        return [dict(record) for record in self._worst_first(self.kept)]

    def _worst_first(self, records: Any) -> list[dict[str, Any]]:
        return sorted(records, key=lambda record: _ranks(record, self.by))


def _ranks(record: Mapping[str, Any], by: By) -> list[Any]:
    """Worst first, then by example; the rest orders two answers to one example that was seen twice."""
    worse = {name: -_badness(record[name]) for name in ("loss", "probability")}
    return [worse[by], record["index"], record["truth"], record["predicted"], worse["probability"], worse["loss"]]


def _badness(values: Any) -> Any:
    """The value itself; NaN is worse than any number."""
    return np.where(np.isnan(values), np.inf, values)


def _by_example(records: Any) -> tuple[dict[str, Any], ...]:
    return tuple(sorted(records, key=lambda record: record["index"]))
