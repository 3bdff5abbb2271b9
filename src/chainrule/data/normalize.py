"""Subtract the mean and divide by the deviation, both measured on the training part alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Float, Float64, Int64, Shaped
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.core.sections import CARD

KINDS = ("channel", "pixel", "none")

FLOOR = 0.1
"""Smallest deviation that is divided by, as a share of the deviation over all values."""

EACH = "each number"
"""The kind of inputs that are no images: each of their numbers by itself (`FeatureTable.normalization`)."""

_CHUNK = 2**22  # values at a time: 32 MB as float64


@dataclass(frozen=True, eq=False)
class Normalization:
    """x -> (x - mean) / deviation.

    Pixels of 0..255 (uint8) are read as 0..1; other numbers are taken as they are. After it the average is 0, so that
    padding with zeros pads with the average.

    Args:
        kind: "channel" (mean and deviation over images and places), "pixel" (over images), "none" (0 and 1),
            "each number" (of features), "card" (of each channel, not measured but published).
        mean: float64, (C, 1, 1) or (C, H, W); for features (D,).
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
    mean: Float64[Tensor, "*shape"]
    deviation: Float64[Tensor, "*shape"]

    @classmethod
    def measure(cls, pictures: Values, indices: Int64[Tensor, " n"], kind: str) -> Normalization:
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
        mean, square = moments(pictures, indices)  # (C, H, W): mean of x and of the squared distance from it
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

    def apply(self, images: Shaped[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Return the images, or the features of images, as normalized float32.

        Args:
            images: uint8 0..255, or floats on the scale that was measured (for uint8: 0..1).

        Raises:
            DataError: The images have another shape than the ones that were measured.
        """
        if images.shape[1] != len(self.mean) or (self.kind in ("pixel", EACH) and images.shape[1:] != self.mean.shape):
            raise DataError(
                "the images do not fit the normalization", expected=tuple(self.mean.shape), got=tuple(images.shape[1:])
            )
        scale = 1 / (self.deviation * (255.0 if images.dtype == torch.uint8 else 1.0))
        shift = -self.mean / self.deviation
        # Two roundings, never a fused multiply-add, so that an image gives the same bits in any batch.
        return images.to(torch.float32, copy=True).mul_(scale.float()).add_(shift.float())

    def invert(self, images: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
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
            axes = (1,) if kind == EACH else (1, 3) if kind == "none" else (3,)
            whole = mean.ndim in axes and mean.shape == deviation.shape and bool(torch.isfinite(mean).all())
            whole = whole and bool(((deviation > 0) & deviation.isfinite()).all())
            if kind not in (*KINDS, EACH, CARD) or not whole:
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise DataError(
                "the stored normalization cannot be read",
                expected="kind, mean and deviation as (C, H, W) or (D,) lists",
            ) from None
        return cls(kind, mean, deviation)


class Values(Protocol):
    """What moments are taken of: numbers of one shape that are read by index; those that are left out do not count."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def read(self, index: Int64[Tensor, " b"]) -> Tensor: ...


def moments(values: Values, indices: Int64[Tensor, " n"]) -> tuple[Tensor, Tensor]:
    """Return mean and mean squared distance from it, number by number, merged over chunks (Chan, Golub, LeVeque).

    Args:
        values: Pictures or features; of 8 bits they are read as 0..1.
        indices: Which of them.
    """
    mean = torch.zeros(values.shape, dtype=torch.float64)
    total = torch.zeros_like(mean)
    count = 0
    for chunk in indices.split(max(1, _CHUNK // mean.numel())):
        part = values.read(chunk)
        part = part.double().div_(255.0) if part.dtype == torch.uint8 else part.double()
        n = len(part)  # fewer than asked for, where what cannot be read is left out
        if n == 0:
            continue
        center = part.mean(0)
        gap = center - mean
        total += part.sub_(center).square_().sum(0) + gap**2 * (count * n / (count + n))
        mean += gap * (n / (count + n))
        count += n
    if count == 0:
        raise DataError("none of the examples can be read, on which mean and deviation are measured")
    return mean, total / count
