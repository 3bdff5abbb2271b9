"""What a network that reads tokens remembers from call to call."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from chainrule.core.errors import UsageError

State = Mapping[str, Tensor]
"""By name; each (B, ...)."""


def read_first(state: State | None) -> State:
    """Return the state that reading a source left; there must be one.

    Raises:
        UsageError: No source was read.
    """
    if not state:
        raise UsageError("the source was not read", remedy="state = model.encode(source) comes first")
    return state
