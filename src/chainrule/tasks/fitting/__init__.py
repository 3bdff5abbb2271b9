"""Training one's own module on one's own tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.tasks.fitting._fit import fit as fit

__getattr__, __dir__, __all__ = lazy(__name__, {"fit": "_fit"})
