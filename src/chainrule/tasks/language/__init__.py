"""Language models: from a recipe and a text to a network that writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.tasks.language._generate import generate as generate
    from chainrule.tasks.language._generate import written as written
    from chainrule.tasks.language._language import Language as Language

__getattr__, __dir__, __all__ = lazy(
    __name__, {"Language": "_language", "generate": "_generate", "written": "_generate"}
)
