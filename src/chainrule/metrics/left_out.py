"""What could not be measured."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 20
"""How many are named."""


class LeftOut:
    """Examples that could not be read: how many, and the first ones.

    Args:
        names: What they are called; the first by the alphabet are kept.
        count: How many; as many as names when left out.

    Example:
        >>> both = LeftOut(["a.png"]).merge(LeftOut(["b.png", "c.png"]))
        >>> both.result(), both.names
        (3.0, ('a.png', 'b.png', 'c.png'))
    """

    def __init__(self, names: Iterable[str], count: int | None = None) -> None:
        every = sorted(names)
        self.names = tuple(every[:SHOWN])
        self.count = len(every) if count is None else count

    def merge(self, other: LeftOut) -> LeftOut:
        """Return the tally of both groups."""
        return LeftOut((*self.names, *other.names), self.count + other.count)

    def result(self) -> float:
        """Return how many."""
        return float(self.count)
