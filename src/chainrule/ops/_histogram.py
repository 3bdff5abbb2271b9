"""Histograms of color."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Real
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.ops._pictures import check_count, check_pictures, in_chunks

MOST, MOST_JOINT = 256, 32
"""Bins of a channel: there are 256 values in 8 bits, and a joint histogram has the third power of the bins."""


def color_histogram(
    images: Real[Tensor, "n 3 h w"], *, bins: int = 10, space: Literal["hsv", "rgb"] = "hsv", joint: bool = False
) -> Float[Tensor, "n d"]:
    """Which share of an image's pixels has which color, wherever they lie.

    Args:
        images: Red, green and blue: 8-bit, or floating from 0 to 1.
        bins: Equally wide bins of each channel, 1 to 256 (32 for joint); the last one contains the upper end.
        space: `hsv` counts hues, the color feature of Stanford's assignment (gray counts as red, with hue 0);
            `rgb` counts red, green and blue each for itself.
        joint: Count the three channels of the space (hue, saturation and value; red, green and blue) together, in
            boxes.

    Returns:
        Shares, in float32 (float64 for such images): `bins` numbers an image for hues, 3 bins for `rgb`, bins^3 for
        joint, the last channel running fastest. Hues and boxes sum to 1. Of 8-bit images no pixel is counted in the
        wrong bin by rounding.

    Raises:
        UsageError: Images are not of three channels, or a setting is out of range.
        DataError: Floating pixels are not between 0 and 1.

    Example:
        >>> green = torch.tensor([0, 200, 0], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 4, 4)
        >>> color_histogram(green, bins=3)
        tensor([[0., 1., 0.]])

    Source:
        LECTURES A9; CS231n, assignment 1; Swain and Ballard 1991 (joint). The formulas: `hue_histogram`,
        `color_shares` and `joint_color_histogram` of `chainrule.formulas.features`.

    Departures:
        The assignment scales hues to 0..255 and divides by rounded edges, so that a color exactly between two bins
        may be counted in the one below.
    """
    check_pictures("color_histogram", images, channels=3)
    check_count("color_histogram", "bins", bins, MOST_JOINT if joint else MOST)
    if space not in ("hsv", "rgb"):
        raise UsageError("color_histogram: there is no such space", expected="hsv or rgb", got=space)
    top = 255 if images.dtype == torch.uint8 else 1
    if images.is_floating_point() and images.numel():
        low, high = (float(end) for end in images.aminmax())
        if not (low >= 0 and high <= 1):  # NaN is neither
            raise DataError("color_histogram: floating pixels out of range", expected="0 to 1", got=f"{low} to {high}")
    channels = 3 if joint or space == "rgb" else 1
    width = bins**3 if joint else channels * bins

    def shares(part: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        places = _hsv_places(part, bins, top)[:channels] if space == "hsv" else _places(part.unbind(1), bins, top)
        if joint:
            places = [places[0] * (bins * bins) + places[1] * bins + places[2]]
        return (
            torch.cat([_counts(place, width // len(places)) for place in places], 1).to(part.dtype) / part[0, 0].numel()
        )

    return in_chunks(images, width, shares)


def _places(channels: tuple[Tensor, ...], bins: int, top: int) -> list[Tensor]:
    """The bin of each value of some channels."""
    return [_floor(channel * bins / top, bins) for channel in channels]


def _hsv_places(x: Float[Tensor, "n 3 h w"], bins: int, top: int) -> list[Tensor]:
    """The bins of hue, saturation and value.

    Whole numbers stay whole until the one division, whose rounding cannot lift a fraction to the next whole number:
    so 8-bit pixels are never counted in a neighboring bin.
    """
    r, g, b = x.unbind(1)
    value = x.amax(1)
    span = value - x.amin(1)
    red = g - b
    red = torch.where(red < 0, red + 6 * span, red)  # around the wheel
    hue = torch.where(value == r, red, torch.where(value == g, b - r + 2 * span, r - g + 4 * span))
    sixth = 6 * torch.where(span > 0, span, 1)  # gray: the numerators are 0 as well
    saturation = span * bins / torch.where(value > 0, value, 1)
    return [_floor(hue * bins / sixth, bins), _floor(saturation, bins), _floor(value * bins / top, bins)]


def _floor(place: Tensor, bins: int) -> Tensor:
    """Whole bins; what lies on the upper end belongs to the last one."""
    return place.long().clamp_(max=bins - 1)  # (n, h, w)


def _counts(place: Tensor, width: int) -> Tensor:
    """How often each bin occurs in each image, (n, width)."""
    own = place.flatten(1) + torch.arange(len(place), device=place.device)[:, None] * width
    return own.flatten().bincount(minlength=len(place) * width).view(len(place), width)
