"""Random changes of images, whole batches at a time; each image's changes are functions of its key.

All of them take normalized images (N, C, H, W), where 0 is the average: what a shift uncovers, and what cutout blanks,
becomes 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.runtime.rng import normal, uniform


@dataclass(frozen=True)
class Augment:
    """Which changes, and how strong; everything is off by default.

    Args:
        flip: Probability of mirroring left and right.
        shift: Shift by up to so many pixels each way.
        cutout: Side in pixels of a square that is blanked; parts of it may lie outside the image.
        brightness: Add a number between minus and plus this, in standard deviations.
        contrast: Scale the distances from the image's mean by a factor between 1 - c and 1 + c.
        noise: Add normal noise of so many standard deviations to each value.
        mixup: The a of Beta(a, a): mix each image with another one of the training part.

    Raises:
        UsageError: A value out of range.

    Example:
        >>> Augment(flip=0.5, shift=2).active, Augment().active
        (True, False)
    """

    flip: float = 0.0
    shift: int = 0
    cutout: int = 0
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        limits = {
            "flip": 1,
            "shift": 2**15,
            "cutout": 2**15,
            "brightness": 1e6,
            "contrast": 1,
            "noise": 1e6,
            "mixup": 1e6,
        }
        for name, most in limits.items():
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise UsageError(f"augment.{name} is out of range", expected=f"0 to {most:g}", got=value)

    @property
    def active(self) -> bool:
        """Whether any change is switched on."""
        return self != Augment()


def augmented(
    images: Float32[Tensor, "n c h w"], key: Int64[Tensor, " n"], options: Augment
) -> Float32[Tensor, "n c h w"]:
    """Return the images, each changed as its key says; mixup is not done here (see `mixture`).

    Example:
        >>> from chainrule.runtime.rng import keys
        >>> images, key = torch.randn(8, 1, 6, 6), keys(0, 0, torch.arange(8), "example")
        >>> options = Augment(flip=0.5, shift=2, cutout=3, brightness=0.1, contrast=0.1)
        >>> alone = augmented(images[3:4], key[3:4], options)
        >>> bool((augmented(images, key, options)[3:4] == alone).all())
        True
    """
    if options.flip or options.shift:
        n = len(images)
        mirror = uniform(key, "flip") < options.flip if options.flip else torch.zeros(n, dtype=torch.bool)
        move = offsets(key, options.shift) if options.shift else torch.zeros(n, 2, dtype=torch.int64)
        images = moved(images, mirror, move)
    if options.contrast:
        images = contrasted(images, 1 + options.contrast * (2 * uniform(key, "contrast") - 1))
    if options.brightness:
        images = images + (options.brightness * (2 * uniform(key, "brightness") - 1)).view(-1, 1, 1, 1)
    if options.noise:
        images = images + options.noise * normal(key, "noise", tuple(images.shape[1:]))
    if options.cutout:
        images = blanked(images, uniform(key, "cutout", (2,)), options.cutout)
    return images


def offsets(key: Int64[Tensor, " n"], most: int) -> Int64[Tensor, "n 2"]:
    """Return how far each image moves down and right: whole numbers from -most to most, all equally likely."""
    return (uniform(key, "shift", (2,)) * (2 * most + 1)).to(torch.int64) - most


def moved(
    images: Float32[Tensor, "n c h w"], mirror: Bool[Tensor, " n"], move: Int64[Tensor, "n 2"]
) -> Float32[Tensor, "n c h w"]:
    """Return the images mirrored left and right where asked, then moved, with 0 where nothing moved in.

    Args:
        images: The images.
        mirror: Which are mirrored.
        move: Pixels down and right for each.

    Example:
        >>> image = torch.arange(1.0, 5).view(1, 1, 2, 2)
        >>> moved(image, torch.tensor([True]), torch.tensor([[1, 0]])).flatten().tolist()
        [0.0, 0.0, 2.0, 1.0]
    """
    n, channels, height, width = images.shape
    if n == 0:
        return images
    most = int(move.abs().max())
    pixels = images.permute(0, 2, 3, 1)  # (N, H, W, C): a row of a window is then one piece of memory
    frame = pixels.new_zeros(n, height + 2 * most, width + 2 * most, channels)
    middle = frame[:, most : most + height, most : most + width]
    middle.copy_(pixels)
    chosen = mirror.nonzero().squeeze(1)
    middle[chosen] = pixels[chosen].flip(2)
    # Row r of the result of image i begins at some number of the frame: one copy of W * C numbers for each row.
    step = (width + 2 * most) * channels
    first = (torch.arange(n) * (height + 2 * most) + most - move[:, 0]) * step + (most - move[:, 1]) * channels
    begins = first.unsqueeze(1) + torch.arange(0, height * step, step)  # (N, H)
    rows = frame.as_strided((frame.numel() - width * channels + 1, width * channels), (1, 1))
    return rows.index_select(0, begins.view(-1)).view(n, height, width, channels).permute(0, 3, 1, 2)


def contrasted(images: Float32[Tensor, "n c h w"], factor: Float[Tensor, " n"]) -> Float32[Tensor, "n c h w"]:
    """Return m + f (x - m), with m the mean of each image.

    Example:
        >>> contrasted(torch.tensor([1.0, 3.0]).view(1, 1, 1, 2), torch.tensor([2.0])).flatten().tolist()
        [0.0, 4.0]
    """
    factor = factor.view(-1, 1, 1, 1)
    # The order in which floats are added depends on the batch, and so would the last bits of the mean: sum integers.
    total = (images * 2.0**20).to(torch.int64).sum((1, 2, 3), keepdim=True)
    mean = (total.double() / (2.0**20 * images[0].numel())).float() if len(images) else images
    return (images * factor).add_(mean * (1 - factor))


def blanked(images: Float32[Tensor, "n c h w"], center: Float[Tensor, "n 2"], side: int) -> Float32[Tensor, "n c h w"]:
    """Return the images with a square of 0 in each, around a place that may be anywhere in the image.

    Args:
        images: The images.
        center: Row and column of the square's middle, as shares of height and width in [0, 1).
        side: In pixels.

    Example:
        >>> blanked(torch.ones(1, 1, 3, 3), torch.tensor([[0.0, 0.9]]), 2).flatten().tolist()
        [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]

    Source:
        DeVries, Taylor: Improved regularization of convolutional neural networks with cutout (2017).
    """
    height, width = images.shape[2:]

    def covered(share: Tensor, length: int) -> Tensor:
        first = (share * length).to(torch.int64).unsqueeze(1) - side // 2
        place = torch.arange(length)
        return (place >= first) & (place < first + side)

    hole = covered(center[:, 0], height).unsqueeze(2) & covered(center[:, 1], width).unsqueeze(1)  # (N, H, W)
    return images * (~hole).to(images.dtype).unsqueeze(1)


def mixture(key: Int64[Tensor, " n"], count: int, alpha: float) -> tuple[Int64[Tensor, " n"], Float32[Tensor, " n"]]:
    """Return with which image of the training part each image is mixed, and the weight of the image itself.

    x = share x_i + (1 - share) x_j, with share drawn from Beta(alpha, alpha) and j from the whole training part.

    Args:
        key: One key an image.
        count: Images in the training part.
        alpha: Greater than 0; near 0 most images stay as they are, at 1 all shares are equally likely.

    Returns:
        Positions j within the part, and shares in [0, 1].

    Example:
        >>> from chainrule.runtime.rng import keys
        >>> partner, share = mixture(keys(0, 0, torch.arange(1000), "example"), 50, 0.4)
        >>> int(partner.min()), int(partner.max()), abs(float(share.mean()) - 0.5) < 0.05
        (0, 49, True)

    Source:
        Zhang et al.: mixup, beyond empirical risk minimization (2018).

    Departures:
        The partner is any image of the training part rather than another row of the batch, so that what an example
        becomes does not depend on its neighbors.
    """
    from scipy.special import betaincinv

    partner = (uniform(key, "mixup partner", dtype=torch.float64) * count).to(torch.int64)
    share = betaincinv(alpha, alpha, uniform(key, "mixup share", dtype=torch.float64).numpy())
    return partner, torch.from_numpy(np.asarray(share, dtype=np.float32))
