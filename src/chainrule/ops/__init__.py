"""Tensor functions that know nothing of networks: features of images, nearest neighbors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy
from chainrule.core.registry import Entry, Registry

if TYPE_CHECKING:
    from chainrule.ops._histogram import color_histogram as color_histogram
    from chainrule.ops._hog import hog as hog
    from chainrule.ops._pixels import pixels as pixels
    from chainrule.ops.neighbors import Points as Points
    from chainrule.ops.neighbors import nearest as nearest

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "Points": "neighbors",
        "color_histogram": "_histogram",
        "hog": "_hog",
        "nearest": "neighbors",
        "pixels": "_pixels",
    },
)

FEATURES = Registry(
    "feature",
    [
        ("pixels", Entry("chainrule.ops._pixels:pixels", "the values of an image, in a row")),
        ("hog", Entry("chainrule.ops._hog:hog", "histograms of oriented gradients: which edges lie where")),
        ("color_histogram", Entry("chainrule.ops._histogram:color_histogram", "which colors there are, wherever")),
    ],
    group="chainrule.features",
)
