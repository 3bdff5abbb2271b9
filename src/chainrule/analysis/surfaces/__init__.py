"""Optimizers seen at work: surfaces to go down on, the methods of the book, and pictures of their paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.analysis.surfaces._compare import Comparison as Comparison
    from chainrule.analysis.surfaces._compare import compare_optimizers as compare_optimizers
    from chainrule.analysis.surfaces._find import find_surface as find_surface
    from chainrule.analysis.surfaces._functions import SURFACES as SURFACES
    from chainrule.analysis.surfaces._functions import named_surface as named_surface
    from chainrule.analysis.surfaces._methods import METHODS as METHODS
    from chainrule.analysis.surfaces._surface import Surface as Surface
    from chainrule.analysis.surfaces._surface import exact_hessian as exact_hessian

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "Comparison": "_compare",
        "METHODS": "_methods",
        "SURFACES": "_functions",
        "Surface": "_surface",
        "compare_optimizers": "_compare",
        "exact_hessian": "_surface",
        "find_surface": "_find",
        "named_surface": "_functions",
    },
)
