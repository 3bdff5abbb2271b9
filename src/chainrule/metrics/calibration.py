"""Whether a classifier is right as often as it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.metrics._exact import as_float, exact_sum
from chainrule.metrics._scores import check_scores

BINS = 15
"""Of confidence, as in the paper."""


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error: ECE = sum_b n_b/N |acc_b - conf_b|.

    The confidence of an example is its highest probability, softmax of the scores. Bin b of B holds the examples with
    (b-1)/B < confidence <= b/B; acc_b is the share of them that is right, conf_b their mean confidence.

    Args:
        counts: Examples of each bin.
        right: Those of them that are classified right.
        confidence: Sum of their confidences, exactly, as `exact_sum` counts.

    Example:
        >>> scores = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.6, 0.4], [0.4, 0.6]]).log()
        >>> round(Calibration.of(scores, torch.tensor([0, 1, 0, 1])).result(), 4)
        0.35

    Source:
        Guo et al. 2017 (On calibration of modern neural networks), equation 3.
    """

    counts: tuple[int, ...] = (0,) * BINS
    right: tuple[int, ...] = (0,) * BINS
    confidence: tuple[int, ...] = (0,) * BINS

    @classmethod
    def of(cls, scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"], *, bins: int = BINS) -> Calibration:
        """Return the tally of some examples.

        Args:
            scores: Scores, such as logarithms of probabilities; softmax makes them probabilities.
            targets: Right classes.
            bins: Of equal width.

        Raises:
            UsageError: The shapes do not fit together, or there is no bin.
            DataError: A class is out of range.
            NonFiniteError: A score is NaN.
        """
        if bins < 1:
            raise UsageError("calibration: confidences are put in bins", expected="bins: 1 or more", got=bins)
        check_scores("calibration", scores, targets)
        if not len(targets):
            return cls((0,) * bins, (0,) * bins, (0,) * bins)
        sure = torch.softmax(scores.double(), dim=1).amax(dim=1).nan_to_num(1.0).cpu().numpy()
        place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
        right = (scores.argmax(1) == targets.long()).cpu().numpy()
        return cls(
            tuple(np.bincount(place, minlength=bins).tolist()),
            tuple(np.bincount(place[right], minlength=bins).tolist()),
            tuple(exact_sum(sure[place == one]) for one in range(bins)),
        )

    def merge(self, other: Calibration) -> Calibration:
        """Return the tally of both.

        Raises:
            UsageError: They have other bins.
        """
        if len(self.counts) != len(other.counts):
            raise UsageError("calibration: only tallies of the same bins merge", got=len(other.counts))
        mine, theirs = ((one.counts, one.right, one.confidence) for one in (self, other))
        counts, right, confidence = (tuple(a + b for a, b in zip(*pair)) for pair in zip(mine, theirs))
        return Calibration(counts, right, confidence)

    def bins(self) -> list[dict[str, Any]]:
        """Return `{"count", "accuracy", "confidence"}` of each bin, None where it is empty: a reliability diagram."""
        return [
            {
                "count": count,
                "accuracy": right / count if count else None,
                "confidence": as_float(total) / count if count else None,
            }
            for count, right, total in zip(self.counts, self.right, self.confidence)
        ]

    def result(self) -> float:
        """Return the expected calibration error; NaN of nothing."""
        count = sum(self.counts)
        if not count:
            return float("nan")
        return sum(abs(right - as_float(total)) for right, total in zip(self.right, self.confidence)) / count
