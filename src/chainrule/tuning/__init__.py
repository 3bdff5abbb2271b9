"""Choosing settings: checks, the rate finder, coarse and fine search over any number of processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.tuning._checks import find_rate as find_rate
    from chainrule.tuning._search import check_words as check_words
    from chainrule.tuning._search import go_on as go_on
    from chainrule.tuning._search import search as search

__getattr__, __dir__, __all__ = lazy(
    __name__, {"find_rate": "_checks", "check_words": "_search", "go_on": "_search", "search": "_search"}
)
