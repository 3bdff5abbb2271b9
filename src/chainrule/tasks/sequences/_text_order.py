"""Which texts a step takes, and how long they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import RecipeError
from chainrule.core.sections import LabeledTextData, TrainTexts
from chainrule.data import Shuffled
from chainrule.data.buckets import Buckets
from chainrule.data.ragged import padding_share
from chainrule.training.task import Order

BINS = 8
"""Into so many ranges of length the texts are counted."""


def check_text_order(data: LabeledTextData, train: TrainTexts) -> None:
    """Refuse steps by tokens where texts of any length stand together.

    Raises:
        RecipeError: Says what goes together.
    """
    if train.tokens is not None and data.order != "buckets":
        raise RecipeError(
            "train.tokens counts the places of a step, which texts of like length share",
            expected="data.order: buckets",
            got=f"data.order: {data.order}",
            remedy="--data.order buckets, or --train.batch in place of --train.tokens",
        )


def text_order(data: LabeledTextData, train: TrainTexts, lengths: Int64[Tensor, " n"]) -> Order:
    """Return which texts a step takes: any of them, or those of like length.

    Args:
        data: The order and the pool.
        train: How many texts or tokens a step has, in how many parts.
        lengths: Of the texts of the training part.
    """
    if data.order == "shuffled":
        return Shuffled(len(lengths), train.batch, train.seed, train.parts)
    batch = train.batch if train.tokens is None else None
    return Buckets(lengths, batch=batch, tokens=train.tokens, seed=train.seed, parts=train.parts, pool=data.pool)


def length_facts(
    data: LabeledTextData,
    train: TrainTexts,
    lengths: Int64[Tensor, " all"],
    parts: Mapping[str, Int64[Tensor, " part"]],
) -> dict[str, Any]:
    """Return how long the texts are, and how much of the computing goes to padding, as plain data for the report.

    Args:
        data: The order and the pool.
        train: How many texts or tokens a step has.
        lengths: Tokens of each text, as the network is given it.
        parts: Which of them belong to which part.
    """
    longest = int(lengths.max())
    width = max(1, -(-longest // BINS))
    of_train = lengths[parts["train"]]
    order = text_order(data, train, of_train)
    batch = max(1, min(len(of_train), round(len(of_train) / order.per_epoch)))
    return {
        "mean": float(lengths.double().mean()),
        "longest": longest,
        "limit": data.length,
        "bins": [[begin + 1, begin + width] for begin in range(0, max(longest, 1), width)],
        "counts": {part: _histogram(lengths[index], width, longest) for part, index in parts.items()},
        "order": data.order,
        "padding": _padding(of_train, order),
        "padding_shuffled": _padding(of_train, Shuffled(len(of_train), batch, train.seed)),
    }


def _histogram(lengths: Tensor, width: int, longest: int) -> list[int]:
    place = (lengths.clamp(min=1) - 1) // width
    return torch.bincount(place, minlength=-(-max(longest, 1) // width)).tolist()


def _padding(lengths: Tensor, order: Order) -> float:
    return padding_share(lengths, (order(step)[1] for step in range(order.per_epoch)))
