"""Histograms of oriented gradients."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Real
from torch import Tensor
from torch.nn import functional

from chainrule.core.errors import DataError, UsageError
from chainrule.ops._pictures import check_count, check_pictures, in_chunks

CLIP, EPS = 0.2, 1e-5
"""Of L2-Hys: the largest element between the two normalizations, and what keeps a block without gradients at 0."""


def hog(
    images: Real[Tensor, "n c h w"],
    *,
    cell: int = 8,
    bins: int = 9,
    block: int = 2,
    vote: Literal["linear", "hard"] = "linear",
) -> Float[Tensor, "n d"]:
    """Histograms of oriented gradients: which edges lie where, whatever the light and the color.

    Gradients by [-1, 0, 1], 0 at the border, in each pixel of the channel where it is longest. A cell adds up the
    lengths by direction, 0 to 180 degrees in `bins` bins. Each block of cells is normalized: v / sqrt(|v|^2 + eps^2),
    no element above 0.2, and once more (L2-Hys, eps 1e-5). Blocks begin at every cell.

    Rows at the bottom and columns at the right that do not fill a cell cast no votes; the gradients of those beside
    them do read them. 28 x 28 images lose 4 of each with cells of 8, and none with 7 or 4. A factor on the pixels
    drops out (apart from eps), so 0..255 and 0..1 give the same.

    Args:
        images: 8-bit or floating, any number of channels.
        cell: Pixels along a side of a cell, at least 1.
        bins: At least 1.
        block: Cells along a side of a block, at least 1.
        vote: `linear` shares a vote between the two bins whose middles are nearest, so that a small turn changes
            little; `hard` gives it to the bin that the angle lies in.

    Returns:
        (H/cell - block + 1) (W/cell - block + 1) block^2 bins numbers an image, with whole cells: block rows, block
        columns, rows and columns in the block, bins. In the images' type, at least float32. No gradient flows back.

    Raises:
        UsageError: A size or shape does not fit, or the image has fewer cells than a block.
        DataError: Pixels are not finite, or so large that their squares are not.

    Example:
        >>> hog(torch.zeros(5, 3, 32, 32, dtype=torch.uint8)).shape
        torch.Size([5, 324])

    Source:
        LECTURES A9; Dalal and Triggs 2005. The formula: `chainrule.formulas.features.oriented_gradients`.

    Departures:
        The paper shares votes between neighboring cells too, weights a block's pixels by a Gaussian, and takes the
        square root of the pixels. scikit-image's `hog` has the conventions of this function with `vote="hard"`,
        but loses the vote of an angle that is rounded up to 180 degrees. The code handed out with Stanford's
        assignment takes one-sided differences of a gray image and normalizes no blocks.
    """
    check_pictures("hog", images)
    for name, value in (("cell", cell), ("bins", bins), ("block", block)):
        check_count("hog", name, value)
    if vote not in ("linear", "hard"):
        raise UsageError("hog: there is no such vote", expected="linear or hard", got=vote)
    rows, columns = images.shape[2] // cell, images.shape[3] // cell
    if min(rows, columns) < block:
        raise UsageError(
            f"hog: images of {images.shape[2]}x{images.shape[3]} have fewer cells than a block",
            expected=f"at least {block * cell}x{block * cell} pixels for blocks of {block}x{block} cells of {cell}",
            got=f"{rows}x{columns} cells",
            remedy="choose smaller cells or blocks",
        )
    width = (rows - block + 1) * (columns - block + 1) * block * block * bins
    found = in_chunks(images, width, lambda part: _normalized(_cells(part, cell, bins, vote), block))
    if not found.isfinite().all():
        raise DataError("hog: pixels are not finite, or too large to be squared", remedy="look for NaN, and rescale")
    return found


def _gradients(x: Float[Tensor, "n c h w"]) -> tuple[Tensor, Tensor, Tensor]:
    """The squared length, gx and gy of the longest gradient among the channels, each (n, h, w)."""
    gx, gy = torch.zeros_like(x), torch.zeros_like(x)
    if x.shape[3] > 2:
        torch.sub(x[..., 2:], x[..., :-2], out=gx[..., 1:-1])
    if x.shape[2] > 2:
        torch.sub(x[..., 2:, :], x[..., :-2, :], out=gy[..., 1:-1, :])
    square = torch.addcmul(gx * gx, gy, gy)
    longest = square[:, 0], gx[:, 0], gy[:, 0]
    for channel in range(1, x.shape[1]):
        longer = square[:, channel] > longest[0]  # of equals the first
        ours = square[:, channel], gx[:, channel], gy[:, channel]
        longest = tuple(torch.where(longer, a, b) for a, b in zip(ours, longest))  # type: ignore[assignment]
    return longest


def _cells(x: Float[Tensor, "n c h w"], cell: int, bins: int, vote: str) -> Float[Tensor, "n rows columns bins"]:
    """The mean vote of each cell for each bin."""
    square, gx, gy = _gradients(x)
    length = square.sqrt()
    # in degrees, because 45, 90 and 180 are whole numbers there: axes and diagonals, the commonest, keep their bins
    place = torch.atan2(gy, gx).rad2deg_().remainder_(180).mul_(bins).div_(180)  # bin b reaches from b to b + 1
    if vote == "hard":
        place = place.floor_().remainder_(bins)  # what was rounded up to the end is the beginning again
    else:
        place -= 0.5  # now the middle of bin b is b
    histograms = []
    for b in range(bins):
        if vote == "hard":
            votes = length * (place == b)
        else:  # a hat over the middle of the bin; the first and the last bin have one beyond the other end too
            votes = (1 - (place - b).abs_()).clamp_(min=0)
            if b == 0:
                votes += (1 - (place - bins).abs_()).clamp_(min=0)
            if b == bins - 1:
                votes += (1 - (place + 1).abs_()).clamp_(min=0)
            votes *= length
        histograms.append(functional.avg_pool2d(votes[:, None], cell)[:, 0])  # what fills no cell is left out
    return torch.stack(histograms, dim=3)


def _normalized(cells: Float[Tensor, "n rows columns bins"], block: int) -> Float[Tensor, "n d"]:
    """All blocks, one after another, each by L2-Hys."""
    blocks = cells.unfold(1, block, 1).unfold(2, block, 1)  # (n, block rows, block columns, bins, row, column)
    v = blocks.permute(0, 1, 2, 4, 5, 3).flatten(3)  # (n, block rows, block columns, row column bins)
    v = (v / (v.square().sum(3, keepdim=True) + EPS**2).sqrt()).clamp_(max=CLIP)
    return (v / (v.square().sum(3, keepdim=True) + EPS**2).sqrt()).flatten(1)
