"""Is this gradient right? A function's own gradient beside differences of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.analysis.gradcheck._check import check_gradient as check_gradient
    from chainrule.analysis.gradcheck._result import GradientCheck as GradientCheck
    from chainrule.analysis.gradcheck._result import TensorCheck as TensorCheck

__getattr__, __dir__, __all__ = lazy(
    __name__, {"GradientCheck": "_result", "TensorCheck": "_result", "check_gradient": "_check"}
)
