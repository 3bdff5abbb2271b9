"""The walk-through of a function on tensors or of a network: every value, and the gradient that comes back to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.analysis.trace._depth import Depth as Depth
    from chainrule.analysis.trace._result import Trace as Trace
    from chainrule.analysis.trace._statistics import Statistics as Statistics
    from chainrule.analysis.trace._time import Recurrence as Recurrence
    from chainrule.analysis.trace._walk import walk_through as walk_through

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "Depth": "_depth",
        "Recurrence": "_time",
        "Statistics": "_statistics",
        "Trace": "_result",
        "walk_through": "_walk",
    },
)
