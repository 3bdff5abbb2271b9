"""What every metric is: counts of some examples that merge with those of others."""

from __future__ import annotations

from typing import Protocol, Self


class Tally(Protocol):
    """Merges with another of its kind; the result of merged parts is that of the whole.

    Merging neither depends on the order nor on how the examples were cut into groups, down to the last bit: so it does
    not matter to the record of a run how many examples are evaluated at once, or by how many processes.
    """

    def merge(self, other: Self) -> Self:
        """Return the tally of both groups of examples."""
        ...

    def result(self) -> float:
        """Return the metric over all examples that were merged."""
        ...
