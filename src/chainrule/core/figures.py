"""Which number of a result is the one that people ask for first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A metric that a run is judged by.

    Args:
        metric: Its key in a result.
        words: What people call it.
        is_share: Whether it is a share of 0 to 1.
        higher: Whether more of it is better.
    """

    metric: str
    words: str
    is_share: bool
    higher: bool


FIGURES = {
    one.metric: one
    for one in (
        Figure("bleu", "BLEU", is_share=False, higher=True),
        Figure("exact", "exact matches", is_share=True, higher=True),
        Figure("bits", "bits per character", is_share=False, higher=False),
        Figure("accuracy", "accuracy", is_share=True, higher=True),
        Figure("loss", "loss", is_share=False, higher=False),
    )
}
"""By metric; the first of them that a result has is its main one."""


def main_figure(*measured: Mapping[str, Any]) -> Figure | None:
    """Return the figure by which results are read, the first that all of them have; None where there is none.

    Args:
        measured: Metric -> value, or the spread over seeds, of a part; those of several runs to compare them.

    Example:
        >>> main_figure({"loss": 1.2, "bits": 2.1, "accuracy": 0.5}).words
        'bits per character'
        >>> main_figure({"bleu": 30.0, "loss": 1.0}, {"accuracy": 0.9, "loss": 0.2}).words
        'loss'
    """
    if not measured:
        return None
    return next((one for name, one in FIGURES.items() if all(known.get(name) is not None for known in measured)), None)
