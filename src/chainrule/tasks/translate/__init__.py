"""Translation: from a recipe and pairs of sentences to a network that translates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.tasks.translate._decode import Translated as Translated
    from chainrule.tasks.translate._decode import translate as translate
    from chainrule.tasks.translate._translation import Translation as Translation

__getattr__, __dir__, __all__ = lazy(
    __name__, {"Translated": "_decode", "Translation": "_translation", "translate": "_decode"}
)
