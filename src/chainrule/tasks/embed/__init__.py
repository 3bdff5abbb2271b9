"""Vectors of words: from a recipe and a text to words that are near each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.tasks.embed._embed import Embedding as Embedding

__getattr__, __dir__, __all__ = lazy(__name__, {"Embedding": "_embed"})
