"""Hidden words of texts: from a recipe and texts to a network that says what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.tasks.masked._masked import MaskedWords as MaskedWords
    from chainrule.tasks.masked._predict import fill_masks as fill_masks

__getattr__, __dir__, __all__ = lazy(__name__, {"MaskedWords": "_masked", "fill_masks": "_predict"})
