"""The worst mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Mistakes:
    """The wrong answers with the highest losses, worst first; of equal losses the earlier example.

    Example:
        >>> import torch
        >>> scores, losses = torch.tensor([[2.0, 1.0], [0.0, 5.0]]), torch.tensor([1.3, 5.0])
        >>> Mistakes.of(scores, torch.tensor([1, 0]), torch.tensor([7, 8]), losses, count=1).records()[0]["index"]
        8
    """

    kept: tuple[dict[str, Any], ...]
    count: int
    wrong: int

    @classmethod
    def of(
        cls,
        scores: Float[Tensor, "n k"],
        targets: Int[Tensor, " n"],
        index: Int[Tensor, " n"],
        losses: Float[Tensor, " n"],
        *,
        count: int = 24,
    ) -> Mistakes:
        """Return the worst `count` mistakes among some examples."""
        predicted = scores.argmax(1)
        chances = scores.float().softmax(1)
        wrong = (predicted != targets).nonzero().flatten().tolist()
        records = [
            {
                "index": int(index[i]),
                "truth": int(targets[i]),
                "predicted": int(predicted[i]),
                "probability": float(chances[i, predicted[i]]),
                "loss": float(losses[i]),
            }
            for i in wrong
        ]
        return cls(_worst(records, count), count, len(wrong))

    def merge(self, other: Mistakes) -> Mistakes:
        """Return the worst of both."""
        return Mistakes(_worst([*self.kept, *other.kept], self.count), self.count, self.wrong + other.wrong)

    def result(self) -> float:
        """Return the number of mistakes, kept or not."""
        return float(self.wrong)

    def records(self) -> list[dict[str, Any]]:
        """Return the kept ones as plain data."""
        return [dict(record) for record in self.kept]


def _worst(records: list[dict[str, Any]], count: int) -> tuple[dict[str, Any], ...]:
    return tuple(sorted(records, key=lambda record: (-record["loss"], record["index"]))[:count])
