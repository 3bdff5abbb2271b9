"""Looking at networks without training them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.analysis._activation import ActivationReport as ActivationReport
    from chainrule.analysis._activation import report_activation as report_activation
    from chainrule.analysis._activation_source import find_activation as find_activation
    from chainrule.analysis._attention_seen import record_attention as record_attention
    from chainrule.analysis._gates import LayerRecord as LayerRecord
    from chainrule.analysis._gates import record_gates as record_gates
    from chainrule.analysis.projection import Components as Components
    from chainrule.analysis.projection import principal_components as principal_components
    from chainrule.analysis.regions import decision_regions as decision_regions
    from chainrule.analysis.regions import hyperplanes as hyperplanes
    from chainrule.analysis.regions import region_panels as region_panels
    from chainrule.analysis.table import network_table as network_table

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "ActivationReport": "_activation",
        "Components": "projection",
        "LayerRecord": "_gates",
        "find_activation": "_activation_source",
        "report_activation": "_activation",
        "decision_regions": "regions",
        "hyperplanes": "regions",
        "network_table": "table",
        "principal_components": "projection",
        "record_attention": "_attention_seen",
        "record_gates": "_gates",
        "region_panels": "regions",
    },
)
