"""What every metric is: counts of some examples that merge with those of others."""

from __future__ import annotations

from typing import Any, Protocol


class Tally(Protocol):
    """Merges with another of its kind; the result of merged parts is that of the whole."""

    def merge(self, other: Any) -> Any:
        """Return the tally of both groups of examples."""
        ...

    def result(self) -> float:
        """Return the metric over all examples that were merged."""
        ...
