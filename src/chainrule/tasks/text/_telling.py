"""Which words speak for a class: read off the weights of a linear classifier."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from chainrule.models.sequence._text_bag import TextBag
from chainrule.tasks.text._processing import TextProcessing

MOST = 12
"""Words of a class that are told."""


def telling_words(model: nn.Module, prepared: TextProcessing) -> dict[str, Any] | None:
    """Return for each class the tokens that add most to its score above the mean of all classes.

    Returns:
        `{"classes": [{"class", "words": [[token, weight], ...]}, ...]}`; None where the network is no linear one.

    Source:
        LECTURES A3: the rows of W are templates.
    """
    if not isinstance(model, TextBag):
        return None
    vocabulary = prepared.tokenizer.vocabulary
    tokens, ordinary = vocabulary.tokens, vocabulary.ordinary
    weight = model.head.weight.detach().double() * (1.0 if model.idf is None else model.idf.double())  # (K, V)
    weight = (weight - weight.mean(0))[:, list(ordinary)]
    best = torch.topk(weight, min(MOST, weight.shape[1]), dim=1)
    return {
        "classes": [
            {
                "class": name,
                "words": [[tokens[ordinary[place]], value] for place, value in zip(places, values) if value > 0],
            }
            for name, places, values in zip(prepared.classes, best.indices.tolist(), best.values.tolist())
        ]
    }
