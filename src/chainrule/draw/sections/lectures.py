"""The items of the lectures that a report shows, in a few words each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from chainrule.draw.page import Part

ITEMS: Final = {
    "A1": "image classification, measured on held-out images",
    "A2": "decision regions of a classifier in the plane",
    "A3": "the linear classifier: one template per class, hyperplanes in the plane",
    "A5": "the softmax loss, about log K at the start",
    "A6": "the full loss: mean data loss and a penalty on the weights",
    "G4": "text that a language model writes",
    "G5": "vectors of words, nearest words, a map in the plane",
    "G6": "sentences that an encoder and a decoder translate",
    "G7": "beam search",
    "G8": "sentences about pictures, and where the network looked",
    "H1": "attention: what the network looked at",
    "H9": "words that are hidden, from all the others",
    "A9": "inputs, and the mean that is subtracted from them",
    "B1": "stochastic gradient descent in minibatches",
    "B9": "the learning rate and its schedule",
    "B10": "the norm of the gradient, and clipping it",
    "B11": "early stopping at the best validation result",
    "B12": "choosing hyperparameters: the first loss, a few examples by heart, the rate, coarse, fine, the curves",
    "B14": "ensembles: networks that answer together, and how true their probabilities are",
    "C5": "the spread of outputs and gradients, layer by layer",
    "C9": "gradients that vanish or explode, layer by layer",
    "D3": "the table of layers: volumes, parameters, multiply-adds",
    "F1": "first-layer filters as images",
}


def lecture_rows(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """Return one row for each item that a page shows: the item, what it is about, and the sections.

    Example:
        >>> from markupsafe import Markup
        >>> rows = lecture_rows([Part("network", "Network", Markup(), items=("D3",))])
        >>> rows[0]["item"], rows[0]["parts"]
        ('D3', [('network', 'Network')])
    """
    rows: dict[str, dict[str, Any]] = {}
    for part in parts:
        for item in part.items:
            row = rows.setdefault(item, {"item": item, "about": ITEMS[item], "parts": []})
            row["parts"].append((part.key, part.title))
    return [rows[item] for item in ITEMS if item in rows]
