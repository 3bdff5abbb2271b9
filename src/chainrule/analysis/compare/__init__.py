"""Somebody's code against a formula of the book: does it agree, and if not, which slip gives its numbers?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.analysis.compare._table import formula_named as formula_named
    from chainrule.analysis.compare._table import formulas as formulas
    from chainrule.analysis.compare._verdict import compare_with_formula as compare_with_formula
    from chainrule.analysis.compare._words import in_words as in_words

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "compare_with_formula": "_verdict",
        "formula_named": "_table",
        "formulas": "_table",
        "in_words": "_words",
    },
)
