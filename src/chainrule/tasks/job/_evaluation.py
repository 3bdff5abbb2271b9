"""A full evaluation of a classifier: loss, accuracy, confusion matrix, per-class figures, worst mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.data import Batch
from chainrule.metrics import Confusion, Mean, Mistakes, Tally, shares_right

MISTAKES = 24
"""How many of the worst mistakes are kept."""
DENSE = 100
"""Of more classes only the counts that are not zero are written, and the figures of those classes that occur."""
METRICS = ("loss", "accuracy", "top5")
"""What the result of a run tells of a part, as far as it was measured."""


def evaluation_of(
    found: Mapping[str, Tally],
    *,
    part: str,
    count: int,
    classes: list[str],
    picture: Callable[[int], str | None],
    source: Callable[[int], str | None],
    neighbors: Callable[[int], list[dict[str, Any]]] | None = None,
) -> dict[str, Any]:
    """Return the facts of a full evaluation from its tallies.

    Args:
        found: From `FullMeasure`.
        part: Which part was measured.
        count: Its examples.
        classes: Names of all classes.
        picture: Position in the part -> picture of that example.
        source: Position in the part -> where that example comes from.
        neighbors: Position in the part -> what the nearest training examples are.
    """
    confusion, mistakes = found["confusion"], found["mistakes"]
    assert isinstance(confusion, Confusion)
    assert isinstance(mistakes, Mistakes)
    return {
        "part": part,
        "count": count,
        "loss": float(found["loss"].result()),
        **{name: float(found[name].result()) for name in METRICS if name != "loss" and name in found},
        "classes": classes,
        "confusion": _counts(confusion),
        "per_class": [
            {"name": name, **row}
            for name, row, seen in zip(classes, confusion.per_class(), confusion.seen())
            if seen or len(classes) <= DENSE
        ],
        "mistakes": [
            {
                **record,
                "picture": picture(record["index"]),
                "source": source(record["index"]),
                **({"neighbors": neighbors(record["index"])} if neighbors else {}),
            }
            for record in mistakes.records()
        ],
    }


def _counts(confusion: Confusion) -> list[list[int]] | dict[str, Any]:
    """The matrix, or of many classes `{"size": K, "counts": [[truth, predicted, count], ...]}` of what is not zero."""
    if len(confusion.matrix) <= DENSE:
        return confusion.matrix.tolist()
    places = confusion.matrix.nonzero()
    counts = torch.cat([places, confusion.matrix[places[:, 0], places[:, 1], None]], dim=1)  # (n, 3)
    return {"size": len(confusion.matrix), "counts": counts.tolist()}


def counted(labels: Tensor, parts: Mapping[str, Tensor], classes: int) -> dict[str, list[int]]:
    """Part -> how often each class occurs in it."""
    return {part: torch.bincount(labels[index], minlength=classes).tolist() for part, index in parts.items()}


class FullMeasure:
    """`(model, batch) -> all tallies of a full evaluation` in one pass.

    Args:
        loss: `(scores, targets) -> one loss an example`.
        classes: How many.
        scores: `(network, inputs) -> scores`; the network's own when left out.
    """

    def __init__(
        self,
        loss: Callable[[Tensor, Any], Tensor],
        classes: int,
        scores: Callable[[nn.Module, Tensor], Tensor] = lambda model, inputs: model(inputs),
    ) -> None:
        self.loss, self.classes, self.scores = loss, classes, scores

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tally]:
        scores = self.scores(model, batch.inputs)
        losses = self.loss(scores, batch.targets)
        return {
            "loss": Mean.of(losses),
            **shares_right(scores, batch.targets),
            "confusion": Confusion.of(scores, batch.targets, classes=self.classes),
            "mistakes": Mistakes.of(scores, batch.targets, batch.index, losses, count=MISTAKES),
        }
