"""The pixels themselves as a feature."""

from __future__ import annotations

from jaxtyping import Float, Real
from torch import Tensor

from chainrule.ops._pictures import check_pictures, in_chunks


def pixels(images: Real[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    """The values of an image in a row, as one feature beside others.

    Args:
        images: 8-bit or floating, any number of channels.

    Returns:
        C H W numbers an image, the columns running fastest: 8-bit pixels from 0 to 1, floating ones as they are. In the
        images' type, at least float32.

    Raises:
        UsageError: They are no images.

    Example:
        >>> import torch
        >>> pixels(torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3))
        tensor([[0.0000, 0.2000, 1.0000]])

    Source:
        LECTURES A9.
    """
    check_pictures("pixels", images)
    top = 1.0 if images.is_floating_point() else 255.0
    return in_chunks(images, images.shape[1:].numel(), lambda part: part.flatten(1) / top)
