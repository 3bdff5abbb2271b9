"""What a label of a finding means."""

from __future__ import annotations

from typing import NamedTuple


class Label(NamedTuple):
    """One thing that can be wrong.

    Args:
        means: What it is, in one sentence.
        told: How it is told from others: what is measured.
        change: What mends it.
        source: Lecture item or paper.
    """

    means: str
    told: str
    change: str
    source: str = ""
