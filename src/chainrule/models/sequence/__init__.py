"""Networks that read tokens, or anything else, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.models.sequence._arrangements import ManyToMany as ManyToMany
    from chainrule.models.sequence._arrangements import ManyToOne as ManyToOne
    from chainrule.models.sequence._arrangements import OneToMany as OneToMany

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "ManyToMany": "_arrangements",
        "ManyToOne": "_arrangements",
        "OneToMany": "_arrangements",
    },
)
