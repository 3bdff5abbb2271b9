"""Images and first layers as pictures for a page."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from chainrule.draw.picture import filter_pictures, png_uri, template_pictures

LARGE = 128
"""Pictures with a longer side are drawn smaller."""
FILTERS = 64
"""How many filters of the first layer are drawn."""


def picture_of(values: Tensor) -> str | None:
    """An image (C, H, W) as a data URI, floats stretched over their own range; None for what is no image."""
    if values.ndim != 3 or values.shape[0] not in (1, 3) or not values.numel():
        return None
    if values.dtype != torch.uint8:
        low, high = values.min(), values.max()
        values = (values.float() - low) / (high - low).float().clamp_min(1e-12)
    side = max(values.shape[1:])
    if side > LARGE:  # a report with dozens of photographs would have many megabytes
        small = functional.avg_pool2d(values.float(), -(-side // LARGE), ceil_mode=True)
        values = small.round().to(torch.uint8) if values.dtype == torch.uint8 else small
    return png_uri(values.numpy(), scale=max(1, 56 // side) if side < 56 else 1)


def first_layer(model: nn.Module, shape: tuple[int, ...], classes: list[str]) -> dict[str, Any] | None:
    """The first layer's weights as pictures: templates of a linear classifier, or filters of a convolution."""
    if len(shape) != 3:
        return None
    channels, height, width = shape
    for name, module in model.named_modules():
        weight: Tensor | None = getattr(module, "weight", None)
        if isinstance(module, nn.Conv2d) and weight is not None and min(weight.shape[2:]) > 1:
            pictures = filter_pictures(weight.detach()[:FILTERS].contiguous().numpy())
            return {
                "layer": name,
                "kind": "filters",
                "pictures": [png_uri(p, scale=_scale(p)) for p in pictures],
                "labels": None,
            }
        if isinstance(module, nn.Linear) and weight is not None:
            if weight.shape[1] != channels * height * width or channels not in (1, 3):
                return None
            shaped = weight.detach()[:FILTERS].reshape(-1, channels, height, width).numpy()
            labels = classes if len(weight) == len(classes) else None
            pictures = template_pictures(shaped)
            return {
                "layer": name,
                "kind": "templates",
                "pictures": [png_uri(p, scale=_scale(p)) for p in pictures],
                "labels": labels,
            }
    return None


def _scale(picture: Any) -> int:
    return max(1, 64 // int(picture.shape[-1]))
