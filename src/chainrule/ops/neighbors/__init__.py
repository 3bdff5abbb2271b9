"""The nearest of many points, found by looking at every one: fast bounds first, float64 where they do not decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.ops.neighbors._search import Points as Points
    from chainrule.ops.neighbors._search import nearest as nearest

__getattr__, __dir__, __all__ = lazy(__name__, {"Points": "_search", "nearest": "_search"})
