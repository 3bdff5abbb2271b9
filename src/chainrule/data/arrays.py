"""Images and labels that are already in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.data.images import InMemory, LabeledImages

LAYOUTS = ("NCHW", "NHWC", "NHW")


def from_arrays(
    images: Any, labels: Any, *, layout: str, classes: Sequence[str] | None = None, name: str = "arrays"
) -> LabeledImages:
    """Return images and labels in arrays as a set of labeled images.

    Args:
        images: NumPy array or tensor, uint8 0..255 or any real numbers (kept as float32).
        labels: One whole number an image, 0 to K - 1.
        layout: "NCHW" (channels first), "NHWC" (channels last) or "NHW" (grey); it is never guessed.
        classes: Names of the K classes; "0", "1", ... when left out.
        name: What lists and reports call it.

    Raises:
        DataError: Shapes or types that do not fit; a label that is no whole number or out of range.
        UsageError: An unknown layout.

    Example:
        >>> images = from_arrays(np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 0, 1], layout="NHWC", classes=["cat", "dog"])
        >>> images.shape, len(images), images.classes
        ((3, 8, 8), 4, ('cat', 'dog'))

    Source:
        LECTURES A1.
    """
    if layout not in LAYOUTS:
        raise UsageError("unknown layout of images", expected=" or ".join(LAYOUTS), got=layout)
    pictures = _tensor(images, "images")
    if pictures.ndim != len(layout) or 0 in pictures.shape[1:]:
        raise DataError(f"the images are not in the layout {layout}", got=f"the shape {tuple(pictures.shape)}")
    if layout == "NHW":
        pictures = pictures.unsqueeze(1)
    elif layout == "NHWC":
        pictures = pictures.permute(0, 3, 1, 2)
    if pictures.dtype != torch.uint8:
        pictures = pictures.to(torch.float32)
    targets = _labels(labels)
    if len(targets) != len(pictures):
        raise DataError(f"{name} has not one label for each picture", expected=len(pictures), got=len(targets))
    low, high = (int(targets.min()), int(targets.max())) if len(targets) else (0, -1)
    count = high + 1 if classes is None else len(classes)
    if low < 0 or high >= count:
        raise DataError("labels are out of range", expected=f"0 to {count - 1}", got=low if low < 0 else high)
    names = tuple(str(i) for i in range(count)) if classes is None else tuple(classes)
    return LabeledImages(name, InMemory(pictures.contiguous()), targets, names, train=torch.arange(len(targets)))


def _tensor(values: Any, what: str) -> Tensor:
    if isinstance(values, Tensor):
        return values.detach().cpu()
    try:
        array = np.asarray(values)
    except ValueError:  # a ragged list
        raise DataError(f"the {what} have different sizes", expected="one array", remedy="resize them first") from None
    if array.dtype.kind not in "buif":
        raise DataError(f"the {what} are no numbers", got=f"the type {array.dtype}")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype in (np.uint16, np.uint32, np.uint64):  # torch lacks arithmetic on these
        array = array.astype(np.float32 if what == "images" else np.int64)
    return torch.from_numpy(np.array(array))  # a copy: the caller's array may change later


def _labels(labels: Any) -> Tensor:
    targets = _tensor(labels, "labels")
    if targets.ndim != 1 or (targets.is_floating_point() and not bool((targets == targets.floor()).all())):
        raise DataError(
            "the labels are no whole numbers, one an image", got=f"{targets.dtype} of shape {tuple(targets.shape)}"
        )
    if len(targets) and targets.is_floating_point() and not bool(torch.isfinite(targets).all()):
        raise DataError("the labels are not all finite")
    return targets.to(torch.int64)
