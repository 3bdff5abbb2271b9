"""What the features of images ask of them, and how they go through many with bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Real
from torch import Tensor

from chainrule.core.errors import UsageError

CHUNK = 1 << 18
"""Pixels (all channels together) that are worked on at once: what stays in a processor's cache."""


def check_pictures(feature: str, images: Tensor, *, channels: int | None = None) -> None:
    """Check that images are (N, C, H, W), in 8 bits or floating.

    Args:
        feature: Who asks, for the message.
        images: The images.
        channels: How many there must be; None leaves it open.

    Raises:
        UsageError: They are not.

    Example:
        >>> check_pictures("hog", torch.zeros(2, 8, 8))
        Traceback (most recent call last):
        chainrule.core.errors.UsageError: hog: images have four axes: expected (N, C, H, W), got (2, 8, 8)
    """
    if images.ndim != 4:
        raise UsageError(f"{feature}: images have four axes", expected="(N, C, H, W)", got=tuple(images.shape))
    if 0 in images.shape[1:] or (channels is not None and images.shape[1] != channels):
        wanted = "at least one" if channels is None else str(channels)
        raise UsageError(
            f"{feature}: wrong number of channels or pixels",
            expected=f"(N, C, H, W) with C {wanted}, and at least one pixel",
            got=tuple(images.shape),
        )
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise UsageError(f"{feature}: wrong type of pixels", expected="uint8 or a floating type", got=images.dtype)


def check_count(feature: str, name: str, value: object, most: int | None = None) -> None:
    """Check that a setting is a whole number from 1 on.

    Raises:
        UsageError: It is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1 or (most is not None and value > most):
        expected = "a whole number, at least 1" if most is None else f"a whole number, 1 to {most}"
        raise UsageError(f"{feature}: wrong {name}", expected=expected, got=value)


def in_chunks(
    images: Real[Tensor, "n c h w"], width: int, feature: Callable[[Tensor], Tensor]
) -> Float[Tensor, "n width"]:
    """Apply a feature to a few images at a time; nothing but the result grows with their number.

    Args:
        images: 8-bit or floating.
        width: How many numbers the feature gives for an image.
        feature: Takes images (n, C, H, W) in floating numbers, float32 at least, and gives (n, width).
    """
    wide = images.dtype if images.dtype in (torch.float32, torch.float64) else torch.float32
    found = torch.empty(len(images), width, dtype=wide, device=images.device)
    step = max(1, CHUNK // images[0].numel()) if len(images) else 1
    with torch.no_grad():
        for start in range(0, len(images), step):
            part = images[start : start + step].to(wide).contiguous()
            found[start : start + step] = feature(part)
    return found
