"""Tensor functions that know nothing of networks: features of images, nearest neighbors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.ops._histogram import color_histogram as color_histogram
    from chainrule.ops._hog import hog as hog
    from chainrule.ops._nearest import Points as Points
    from chainrule.ops._nearest import nearest as nearest

__getattr__, __dir__, __all__ = lazy(
    __name__, {"Points": "_nearest", "color_histogram": "_histogram", "hog": "_hog", "nearest": "_nearest"}
)
