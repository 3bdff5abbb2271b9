"""A full evaluation of a classifier: loss, accuracy, confusion matrix, per-class figures, worst mistakes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.data import Batch
from chainrule.losses import softmax_loss
from chainrule.metrics import Accuracy, Calibration, Confusion, Mean, Mistakes, Tally, shares_right
from chainrule.models import COMBINATIONS
from chainrule.tasks.job._scoring import Way, all_scores, plainly

MISTAKES = 24
"""How many of the worst mistakes are kept."""
DENSE = 100
"""Of more classes only the counts that are not zero are written, and the figures of those classes that occur."""
METRICS = ("loss", "accuracy", "top5")
"""What the result of a run tells of a part, as far as it was measured."""
CERTAINTY = ("nll", "ece")
"""How true the probabilities are: negative log-likelihood and expected calibration error."""


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
        **_certainty(found, ""),
        **_of_members(found),
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


def _certainty(found: Mapping[str, Tally], whose: str) -> dict[str, Any]:
    """How true the probabilities are: negative log-likelihood, expected calibration error, and its bins."""
    calibration = found[f"{whose}ece"]
    assert isinstance(calibration, Calibration)
    numbers = {name: float(found[f"{whose}{name}"].result()) for name in CERTAINTY}
    finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    return {**finite, "calibration": calibration.bins()}


def _of_members(found: Mapping[str, Tally]) -> dict[str, Any]:
    """Of networks in which several answer: each of them, and what they reach by each combination."""
    shares = {name.removesuffix("accuracy"): one for name, one in found.items() if name.endswith("/accuracy")}
    if not shares:
        return {}
    told = {whose[:-1]: {"accuracy": float(one.result()), **_certainty(found, whose)} for whose, one in shares.items()}
    combined = {name: told.pop(name) for name in COMBINATIONS}
    return {"members": list(told.values()), "combined": combined}


def counted(labels: Tensor, parts: Mapping[str, Tensor], classes: int) -> dict[str, list[int]]:
    """Part -> how often each class occurs in it."""
    return {part: torch.bincount(labels[index], minlength=classes).tolist() for part, index in parts.items()}


class FullMeasure:
    """`(model, batch) -> all tallies of a full evaluation` in one pass.

    Args:
        loss: `(scores, targets) -> one loss an example`.
        classes: How many.
        way: How the network is asked.

    Of a network in which several answer also what each of them says, `3/accuracy` for the fourth, and what they say
    together by each combination, `vote/accuracy`.
    """

    def __init__(self, loss: Callable[[Tensor, Any], Tensor], classes: int, way: Way = plainly) -> None:
        self.loss, self.classes, self.way = loss, classes, way

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tally]:
        scores, each = all_scores(model, batch.inputs, self.way)
        losses = self.loss(scores, batch.targets)
        named = {} if each is None else {str(number): one for number, one in enumerate(each)}
        if each is not None:
            named |= {name: combine(each) for name, combine in COMBINATIONS.items()}
        return {
            "loss": Mean.of(losses),
            **shares_right(scores, batch.targets),
            **_told(scores, batch.targets),
            **{
                f"{whose}/{name}": one
                for whose, given in named.items()
                for name, one in {
                    "accuracy": Accuracy.of(given, batch.targets),
                    **_told(given, batch.targets),
                }.items()
            },
            "confusion": Confusion.of(scores, batch.targets, classes=self.classes),
            "mistakes": Mistakes.of(scores, batch.targets, batch.index, losses, count=MISTAKES),
        }


def _told(scores: Tensor, targets: Tensor) -> dict[str, Tally]:
    """The tallies of how true the probabilities are."""
    return {"nll": Mean.of(softmax_loss(scores, targets)), "ece": Calibration.of(scores, targets)}
