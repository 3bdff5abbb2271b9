"""What the checks of a metric work on: scores, right classes, and what the registered metrics are expected to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chainrule.diagnosis._check import Violation
from chainrule.metrics import Confusion, Mean, Mistakes

Answer = float | list[Any]


@dataclass(frozen=True)
class MetricSubject:
    """A metric.

    Args:
        of: `(scores (N, K), classes (N,), index (N,)) -> tally`.
        tell: What a tally answers: a number first, and whatever else it knows.
        bounds: Least and largest number.
        best: Of perfect answers, or None.
        worst: Of answers that are all wrong, or None.
        reference: `(scores, classes) -> number` by other means, or None.
        ranks: Whether only the order of the scores of an example counts.
        classes: K.
        seed: Of scores and classes.
    """

    of: Callable[[Tensor, Tensor, Tensor], Any]
    tell: Callable[[Any], list[Any]]
    bounds: tuple[float, float]
    best: float | None
    worst: float | None
    reference: Callable[[Tensor, Tensor], float] | None
    ranks: bool = True
    classes: int = 7
    seed: int = 0

    def examples(self, count: int, *, salt: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Random scores (count, K) with some ties, classes (count,), and the number of each example."""
        generator = torch.Generator().manual_seed(self.seed + 53 * salt + 3)
        scores = torch.randn(count, self.classes, generator=generator)
        targets = torch.randint(self.classes, (count,), generator=generator)
        scores[torch.arange(count), targets] += 1.0
        scores[::5] = scores[::5].round()
        return scores, targets, torch.arange(count)

    def tally(self, examples: tuple[Tensor, Tensor, Tensor], begin: int = 0, end: int | None = None) -> Any:
        """The tally of some of the examples."""
        scores, targets, index = examples
        return self.of(scores[begin:end], targets[begin:end], index[begin:end])

    def number(self, tally: Any) -> float:
        """What a tally answers first.

        Raises:
            Violation: It is no number.
        """
        found = tally.result()
        if not isinstance(found, float):
            raise Violation(f"result() gives {type(found).__name__}, not a float")
        return found


def registered(name: str, metric: Any, **options: Any) -> dict[str, Any]:
    """What `check_metric` is to expect of a registered metric: the arguments of `MetricSubject`.

    Args:
        name: Of the metric.
        metric: Its class.
        options: Of its `of`.
    """
    plain = {
        "of": lambda scores, targets, index: metric.of(scores, targets, **options),
        "tell": lambda tally: [tally.result()],
        "bounds": (0.0, 1.0),
        "best": 1.0,
        "worst": 0.0,
        "reference": None,
    }
    special: dict[str, dict[str, Any]] = {
        "accuracy": {"reference": _accuracy},
        "topk": {"reference": lambda scores, targets: _top_k(scores, targets, options.get("k", 5))},
        "confusion": {"reference": _accuracy, "tell": _confusion},
        "mean": {
            # the values of examples: minus the logarithm of what the right class gets
            "of": lambda scores, targets, index: Mean.of(_surprise(scores, targets), **options),
            "bounds": (0.0, float("inf")),
            "best": None,
            "worst": None,
            "reference": _mean,
            "ranks": False,
        },
        "calibration": {"best": None, "worst": None, "reference": _calibration, "ranks": False},
        "mistakes": {
            "of": lambda scores, targets, index: Mistakes.of(
                scores, targets, index, _surprise(scores, targets), **{"count": 6, **options}
            ),
            "tell": lambda tally: [tally.result(), tally.records()],
            "bounds": (0.0, float("inf")),
            "best": 0.0,
            "worst": None,
            "reference": lambda scores, targets: len(scores) * (1 - _accuracy(scores, targets)),
        },
    }
    return {**plain, **special.get(name, {})}


def _surprise(scores: Tensor, targets: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(scores.double(), targets.long(), reduction="none")


def _calibration(scores: Tensor, targets: Tensor) -> float:
    """sum_b n_b/N |acc_b - conf_b| over 15 bins, with NumPy's digitize."""
    import numpy as np

    chances = scores.double().softmax(1).numpy()
    sure, right = chances.max(1), chances.argmax(1) == targets.numpy()
    bins = np.digitize(sure, np.arange(1, 15) / 15, right=True)
    gaps = [abs(right[bins == b].mean() - sure[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(sum(gaps))


def _confusion(tally: Confusion) -> list[Any]:
    return [tally.result(), tally.matrix.tolist(), tally.per_class()]


def _accuracy(scores: Tensor, targets: Tensor) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(targets.numpy(), scores.numpy().argmax(1)))


def _top_k(scores: Tensor, targets: Tensor, k: int) -> float:
    from sklearn.metrics import top_k_accuracy_score

    # scikit-learn has another rule for equal scores: make them differ as ours says, earlier classes first
    apart = scores.double() - 1e-9 * torch.arange(scores.shape[1], dtype=torch.float64)
    labels = list(range(scores.shape[1]))
    return float(top_k_accuracy_score(targets.numpy(), apart.numpy(), k=k, labels=labels))


def _mean(scores: Tensor, targets: Tensor) -> float:
    from sklearn.metrics import log_loss

    chances = torch.softmax(scores.double(), 1).numpy()
    return float(log_loss(targets.numpy(), chances, labels=list(range(scores.shape[1]))))
