"""Features that are computed rather than learned: what a linear classifier gets in place of pixels.

Histograms of oriented gradients say which edges lie where and forget the color; color histograms say which colors there
are and forget where. Both are functions of one image.

Shapes: C channels, H rows, W columns.
"""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np

from chainrule.formulas._array import Array


def image_gradient(image: Array) -> tuple[Array, Array]:
    """Centered differences with [-1, 0, 1], along each row and down each column; at the border there are none.

    In a color image each pixel takes the gradient of the channel in which it is longest, of equals the first.

    Args:
        image: (C, H, W).

    Returns:
        gx, to the right, and gy, downward, each (H, W).

    Example:
        >>> gx, gy = image_gradient(np.array([[[0.0, 1.0, 3.0]]]))
        >>> print(gx, gy)
        [[0. 3. 0.]] [[0. 0. 0.]]

    Source:
        LECTURES A9; Dalal and Triggs 2005, section 6.2.
    """
    gx, gy = np.zeros(image.shape), np.zeros(image.shape)
    gx[:, :, 1:-1] = image[:, :, 2:] - image[:, :, :-2]
    gy[:, 1:-1, :] = image[:, 2:, :] - image[:, :-2, :]
    longest = (gx**2 + gy**2).argmax(axis=0)[None]  # (1, H, W)
    return np.take_along_axis(gx, longest, axis=0)[0], np.take_along_axis(gy, longest, axis=0)[0]


def orientation_histograms(
    image: Array, cell: int = 8, bins: int = 9, vote: Literal["linear", "hard"] = "linear"
) -> Array:
    """In each cell of pixels, how much gradient there is in each direction, as a mean over its pixels.

    The direction of an edge has no sign: angles run from 0 to 180 degrees and 180 is 0 again. A pixel votes with the
    length of its gradient. Its vote is shared between the two bins whose middles are nearest, by distance ("linear"),
    or goes whole to the bin that the angle lies in ("hard"). Rows and columns that do not fill a cell are left out.

    Args:
        image: (C, H, W).
        cell: Pixels along a side of a cell.
        bins: Bins between 0 and 180 degrees.
        vote: How a pixel votes.

    Returns:
        (H // cell, W // cell, bins).

    Example:
        >>> step = np.repeat([[[0.0, 0.0, 1.0, 1.0]]], 4, axis=1)  # an edge that runs down: its gradient points right
        >>> print(orientation_histograms(step, cell=4, bins=2, vote="hard"))
        [[[0.5 0. ]]]

    Source:
        LECTURES A9; Dalal and Triggs 2005, section 6.3.

    Departures:
        In the paper votes are shared between neighboring cells too.
    """
    gx, gy = image_gradient(image)
    length = np.sqrt(gx**2 + gy**2)
    angle = np.degrees(np.arctan2(gy, gx)) % 180
    rows, columns = image.shape[1] // cell, image.shape[2] // cell

    histograms = np.zeros((rows, columns, bins))
    for i, j in itertools.product(range(rows * cell), range(columns * cell)):
        histogram = histograms[i // cell, j // cell]
        place = angle[i, j] / (180 / bins)  # bin b reaches from b to b + 1, its middle is b + 1/2
        if vote == "hard":
            histogram[int(place) % bins] += length[i, j]
        else:
            lower = int(np.floor(place - 0.5))
            share = place - 0.5 - lower
            histogram[lower % bins] += (1 - share) * length[i, j]
            histogram[(lower + 1) % bins] += share * length[i, j]
    return histograms / cell**2


def normalize_block(v: Array, clip: float = 0.2, eps: float = 1e-5) -> Array:
    """L2-Hys: v / sqrt(|v|^2 + eps^2), no element above 0.2, and once more.

    Light and contrast drop out, and one strong edge cannot hide all others.

    Args:
        v: The histograms of a block, one after another.
        clip: The largest element between the two normalizations.
        eps: What keeps a block without gradients at 0.

    Returns:
        The same shape.

    Example:
        >>> print(normalize_block(np.array([3.0, 4.0, 0.0])).round(3))
        [0.707 0.707 0.   ]

    Source:
        LECTURES A9; Dalal and Triggs 2005, section 6.4 (after Lowe 2004).
    """
    v = np.minimum(v / np.sqrt((v**2).sum() + eps**2), clip)
    return v / np.sqrt((v**2).sum() + eps**2)


def oriented_gradients(
    image: Array, cell: int = 8, bins: int = 9, block: int = 2, vote: Literal["linear", "hard"] = "linear"
) -> Array:
    """HOG: the histograms of oriented gradients of every block of neighboring cells, each block normalized.

    Blocks overlap: they begin at every cell, so that a cell is seen against several neighborhoods.

    Args:
        image: (C, H, W).
        cell: Pixels along a side of a cell.
        bins: Bins between 0 and 180 degrees.
        block: Cells along a side of a block.
        vote: As in `orientation_histograms`.

    Returns:
        (D,): block rows, block columns, rows and columns in the block, bins.

    Example:
        >>> oriented_gradients(np.zeros((3, 32, 32))).shape  # 3 x 3 blocks of 2 x 2 cells of 9 bins
        (324,)

    Source:
        LECTURES A9; Dalal and Triggs 2005.
    """
    histograms = orientation_histograms(image, cell, bins, vote)
    rows, columns = histograms.shape[0] - block + 1, histograms.shape[1] - block + 1
    blocks = [
        normalize_block(histograms[i : i + block, j : j + block].ravel())
        for i, j in itertools.product(range(rows), range(columns))
    ]
    return np.concatenate(blocks)


def hue_saturation_value(image: Array, top: float = 255.0) -> Array:
    """RGB as hue (the angle on the color wheel), saturation (how far from gray) and value (how bright), each 0 to 1.

    With M the largest and m the smallest of r, g, b:

        value = M / top      saturation = (M - m) / M
        hue = (g - b) / (M - m) where r is the largest, 2 + (b - r) / (M - m) where g is, 4 + (r - g) / (M - m) where
        b is, divided by 6 and taken around the wheel

    Gray has no hue: 0 stands for it, as for its saturation.

    Args:
        image: (3, H, W), 0 to `top`.
        top: The largest value there can be.

    Returns:
        (3, H, W).

    Example:
        >>> print(hue_saturation_value(np.array([[[0.0]], [[255.0]], [[0.0]]])).ravel().round(3))
        [0.333 1.    1.   ]

    Source:
        LECTURES A9; Smith 1978.
    """
    r, g, b = image
    M, m = image.max(axis=0), image.min(axis=0)
    span = np.where(m < M, M - m, 1)  # gray: the numerators are 0 as well
    red, green, blue = (g - b) / span % 6, 2 + (b - r) / span, 4 + (r - g) / span
    hue = np.where(r == M, red, np.where(g == M, green, blue)) / 6
    return np.stack([hue, (M - m) / np.where(M > 0, M, 1), M / top])


def color_shares(image: Array, bins: int = 10, top: float = 255.0) -> Array:
    """Histogram of each channel: which share of its pixels lies in each of the bins between 0 and `top`.

    Args:
        image: (C, H, W), 0 to `top`.
        bins: Equally wide; the last one contains `top` itself.
        top: The largest value there can be.

    Returns:
        (C, bins); each row sums to 1.

    Example:
        >>> print(color_shares(np.array([[[0.0, 10.0, 255.0, 255.0]]]), bins=2))
        [[0.5 0.5]]

    Source:
        LECTURES A9.
    """
    places = np.minimum(np.floor(image * bins / top), bins - 1).astype(int)
    return np.stack([np.bincount(channel.ravel(), minlength=bins) / channel.size for channel in places])


def hue_histogram(image: Array, bins: int = 10, top: float = 255.0) -> Array:
    """Which share of the pixels has which hue: the color feature of Stanford's assignment.

    Args:
        image: (3, H, W), 0 to `top`.
        bins: Equal parts of the color wheel, from red over green and blue.
        top: The largest value there can be.

    Returns:
        (bins,), summing to 1; gray counts as red.

    Example:
        >>> green = np.zeros((3, 2, 2))
        >>> green[1] = 200.0
        >>> print(hue_histogram(green, bins=3))
        [0. 1. 0.]

    Source:
        LECTURES A9; CS231n, assignment 1.
    """
    return color_shares(hue_saturation_value(image, top)[:1], bins, top=1.0)[0]


def joint_color_histogram(image: Array, bins: int = 4, top: float = 255.0) -> Array:
    """Which share of the pixels lies in each box of the color cube: the channels are looked at together.

    Args:
        image: (3, H, W), 0 to `top`; RGB, or what `hue_saturation_value` gives with `top` 1.
        bins: Of each channel.
        top: The largest value there can be.

    Returns:
        (bins^3,), summing to 1; the last channel runs fastest.

    Example:
        >>> print(joint_color_histogram(np.array([[[0.0]], [[0.0]], [[255.0]]]), bins=2))
        [0. 1. 0. 0. 0. 0. 0. 0.]

    Source:
        LECTURES A9; Swain and Ballard 1991.
    """
    i, j, k = np.minimum(np.floor(image * bins / top), bins - 1).astype(int)
    counts = np.zeros((bins, bins, bins))
    np.add.at(counts, (i, j, k), 1)
    return counts.ravel() / i.size
