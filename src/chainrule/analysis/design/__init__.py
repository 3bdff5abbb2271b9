"""What a network costs and sees, layer by layer, of any `nn.Module`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.analysis.design.bare import without_data as without_data
    from chainrule.analysis.design.network import NetworkDesign as NetworkDesign
    from chainrule.analysis.design.network import design_network as design_network
    from chainrule.analysis.design.rows import Row as Row
    from chainrule.analysis.design.views import View as View

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "NetworkDesign": "network",
        "Row": "rows",
        "View": "views",
        "design_network": "network",
        "without_data": "bare",
    },
)
