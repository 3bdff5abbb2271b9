"""Subtract the mean and divide by the deviation, both measured on the training part alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64, Int64, Shaped
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.data.images import Pictures

KINDS = ("channel", "pixel", "none")

FLOOR = 0.1
"""Smallest deviation that is divided by, as a share of the deviation over all values."""

_CHUNK = 2**22  # values at a time: 32 MB as float64


@dataclass(frozen=True, eq=False)
class Normalization:
    """x -> (x - mean) / deviation.

    Pixels of 0..255 (uint8) are read as 0..1; other numbers are taken as they are. After it the average is 0, so that
    padding with zeros pads with the average.

    Args:
        kind: "channel" (mean and deviation over images and places), "pixel" (over images), "none" (0 and 1).
        mean: float64, (C, 1, 1) or (C, H, W).
        deviation: The same shape, greater than 0.

    Example:
        >>> from chainrule.data.images import InMemory
        >>> pictures = InMemory(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1))
        >>> normalization = Normalization.measure(pictures, torch.arange(2), "channel")
        >>> normalization.apply(pictures.read(torch.arange(2))).flatten().tolist()
        [-1.0, 1.0]

    Source:
        LECTURES A9.

    Departures:
        A pixel that is (nearly) always the same is divided by a tenth of the deviation over all values rather than by
        its own, which would be (nearly) 0.
    """

    kind: str
    mean: Float64[Tensor, "c h w"]
    deviation: Float64[Tensor, "c h w"]

    @classmethod
    def measure(cls, pictures: Pictures, indices: Int64[Tensor, " n"], kind: str) -> Normalization:
        """Return the normalization of some pictures (the training part), read in chunks and summed in float64.

        Raises:
            UsageError: An unknown kind.
            DataError: No pictures, or values that are not finite.
        """
        if kind not in KINDS:
            raise UsageError("unknown kind of normalization", expected=" or ".join(KINDS), got=kind)
        channels = pictures.shape[0]
        if kind == "none":
            return cls(kind, torch.zeros(channels, 1, 1).double(), torch.ones(channels, 1, 1).double())
        if len(indices) == 0:
            raise DataError("there are no pictures to measure the normalization on")
        mean, square = _moments(pictures, indices)  # (C, H, W): mean of x and of the squared distance from it
        whole = (square + (mean - mean.mean()) ** 2).mean().sqrt()
        if kind == "channel":
            center = mean.mean((1, 2), keepdim=True)
            square = (square + (mean - center) ** 2).mean((1, 2), keepdim=True)
            mean = center
        if not bool(torch.isfinite(mean).all() and torch.isfinite(square).all()):
            raise DataError(
                "the training pictures have values that are not finite",
                remedy="`chainrule.data.check_data` lists the images",
            )
        deviation = square.sqrt().clamp(min=float(FLOOR * whole))
        return cls(kind, mean, torch.where(deviation > 0, deviation, 1.0))

    def apply(self, images: Shaped[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the images as normalized float32.

        Args:
            images: uint8 0..255, or floats on the scale that was measured (for uint8: 0..1).

        Raises:
            DataError: The images have another shape than the ones that were measured.
        """
        if images.shape[1] != len(self.mean) or (self.kind == "pixel" and images.shape[1:] != self.mean.shape):
            raise DataError(
                "the images do not fit the normalization", expected=tuple(self.mean.shape), got=tuple(images.shape[1:])
            )
        scale = 1 / (self.deviation * (255.0 if images.dtype == torch.uint8 else 1.0))
        shift = -self.mean / self.deviation
        # Two roundings, never a fused multiply-add, so that an image gives the same bits in any batch.
        return images.to(torch.float32, copy=True).mul_(scale.float()).add_(shift.float())

    def invert(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return normalized images on the scale that was measured (0..1 for pixels), for pictures of them."""
        return (images.double() * self.deviation + self.mean).to(images.dtype)

    def to_json(self) -> dict[str, Any]:
        """Return plain data; `from_json` gives the same normalization back, bit for bit."""
        return {"kind": self.kind, "mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Normalization:
        """Return the normalization that `to_json` wrote.

        Raises:
            DataError: The data are not of that form.
        """
        try:
            kind = data["kind"]
            mean, deviation = (torch.tensor(data[name], dtype=torch.float64) for name in ("mean", "deviation"))
            whole = mean.ndim == 3 and mean.shape == deviation.shape and bool(torch.isfinite(mean).all())
            if kind not in KINDS or not whole or not bool(((deviation > 0) & deviation.isfinite()).all()):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise DataError(
                "the stored normalization cannot be read", expected="kind, mean and deviation as (C, H, W) lists"
            ) from None
        return cls(kind, mean, deviation)


def _moments(pictures: Pictures, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and mean squared distance from it, per pixel, merged over chunks (Chan, Golub, LeVeque)."""
    channels, height, width = pictures.shape
    mean = torch.zeros(channels, height, width, dtype=torch.float64)
    total = torch.zeros_like(mean)
    count = 0
    for chunk in indices.split(max(1, _CHUNK // (channels * height * width))):
        values = pictures.read(chunk)
        values = values.double().div_(255.0) if values.dtype == torch.uint8 else values.double()
        n = len(chunk)
        center = values.mean(0)
        gap = center - mean
        total += values.sub_(center).square_().sum(0) + gap**2 * (count * n / (count + n))
        mean += gap * (n / (count + n))
        count += n
    return mean, total / count
