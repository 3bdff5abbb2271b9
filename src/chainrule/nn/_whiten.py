"""First filters from the data: principal directions of small patches, scaled so that every answer varies alike."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from chainrule.core.errors import UsageError


def whiten(conv: nn.Conv2d, images: Float[Tensor, "n c h w"], *, eps: float = 5e-4) -> None:
    """Give a first convolution filters that whiten the patches it sees: W = D^(-1/2) E^T, and -W after it.

    C = E D E^T is the covariance of the patches; the answers to the first half of the filters are uncorrelated and of
    variance about 1, so that no direction drowns the others and the next layer learns faster. With the negatives a
    ReLU after it loses nothing. Where the convolution has fewer filters than directions, those of the largest variance
    are taken; where it has more than twice as many, the rest stay as they are.

    Args:
        conv: Its weights are changed; groups 1. Its bias, if any, becomes 0.
        images: Of the training part, as the network is given them; a few thousand are enough.
        eps: Added to each variance, as a share of the largest; keeps noise from being blown up.

    Raises:
        UsageError: Groups, other channels, images that are smaller than the filters, or too few patches.

    Example:
        >>> conv, images = nn.Conv2d(1, 8, 2, bias=False), torch.randn(50, 1, 6, 6)
        >>> whiten(conv, images, eps=0.0)
        >>> answers = conv(images).transpose(0, 1).flatten(1)
        >>> torch.allclose(torch.cov(answers)[:4, :4], torch.eye(4), atol=0.01)
        True

    Source:
        ZCA and PCA whitening as in LECTURES A9's normalization, per patch; frozen first layers of this kind: Page 2019
        (How to train your ResNet 8), Jordan 2024 (airbench94).
    """
    if conv.groups != 1 or images.ndim != 4 or images.shape[1] != conv.in_channels:
        raise UsageError(
            "whitening is for a first convolution without groups",
            expected=f"images (N, {conv.in_channels}, H, W)",
            got=f"{tuple(images.shape)}, groups {conv.groups}",
        )
    height, width = conv.kernel_size
    filters = whitening_filters(images, (height, width), stride=conv.stride, eps=eps)
    with torch.no_grad():
        both = torch.cat([filters, -filters])[: conv.out_channels]
        conv.weight[: len(both)] = both.to(conv.weight)
        if conv.bias is not None:
            conv.bias.zero_()


def whitening_filters(
    images: Float[Tensor, "n c h w"], size: tuple[int, int], *, stride: int | tuple[int, ...] = 1, eps: float = 5e-4
) -> Float64[Tensor, "k c fh fw"]:
    """Return filters whose answers to patches of images are uncorrelated, the largest variance first; see `whiten`.

    Args:
        images: A few thousand.
        size: Rows and columns of the filters.
        stride: At which places patches are taken.
        eps: Added to each variance, as a share of the largest.

    Returns:
        C F F filters in float64; the sum of each is at least 0.

    Raises:
        UsageError: Images that are smaller than the filters, or too few patches.

    Example:
        >>> whitening_filters(torch.randn(9, 3, 8, 8), (2, 2)).shape
        torch.Size([12, 3, 2, 2])

    Source:
        LECTURES A9, per patch.
    """
    rows = _patches(images, size, stride)
    rows = rows - rows.mean(0)
    values, vectors = torch.linalg.eigh(rows.t() @ rows / (len(rows) - 1))  # ascending
    values, vectors = values.flip(0).clamp_min(0), vectors.flip(1)
    signs = torch.where(vectors.sum(0) < 0, -1.0, 1.0)  # eigenvectors are known up to their sign
    filters = (vectors * signs / (values + eps * values[0]).clamp_min(1e-30).sqrt()).t()
    return filters.reshape(-1, images.shape[1], *size)


def _patches(images: Tensor, size: tuple[int, int], stride: int | tuple[int, ...]) -> Tensor:
    """Patches as rows (P, C F F) in float64, padding left out."""
    if min(images.shape[2] - size[0], images.shape[3] - size[1]) < 0:
        raise UsageError("the images are smaller than the filters", expected=size, got=tuple(images.shape[2:]))
    rows = nn.functional.unfold(images.double(), size, stride=stride)  # (N, C F F, places)
    rows = rows.transpose(1, 2).flatten(0, 1)
    if len(rows) <= rows.shape[1]:
        raise UsageError("there are too few patches", expected=f"more than {rows.shape[1]}", got=len(rows))
    return rows
