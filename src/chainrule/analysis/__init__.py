"""Looking at networks without training them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.analysis.regions import decision_regions as decision_regions
    from chainrule.analysis.table import network_table as network_table

__getattr__, __dir__, __all__ = lazy(__name__, {"decision_regions": "regions", "network_table": "table"})
