"""Captioning: from a recipe and captioned pictures to a network that writes about pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.tasks.caption._captioning import Captioning as Captioning
    from chainrule.tasks.caption._describe import Captioned as Captioned
    from chainrule.tasks.caption._describe import describe as describe

__getattr__, __dir__, __all__ = lazy(
    __name__, {"Captioned": "_describe", "Captioning": "_captioning", "describe": "_describe"}
)
