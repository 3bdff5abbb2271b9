"""Arrays as pictures: PNG files in data URIs, filters, templates and decision regions."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.core.errors import UsageError
from chainrule.draw.color import rgb
from chainrule.draw.palette import PALETTES, Theme

Pixels = NDArray[np.uint8]

DARK: Final = 0.3
"""How bright a picture is where nothing was looked at."""
GLOW: Final = 0.4
"""How far towards white it is where it was looked at most: what is dark itself would not be seen to be lit."""
STRIPE: Final = 2
"""Width of the stripes of regions, in places."""

# Pictures of pixels only: no SVG, which can hold anything.
_DATA_URI: Final = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")


def is_picture(value: Any) -> bool:
    """Return whether a value is a data URI of a PNG, JPEG, GIF or WebP file, and nothing more.

    Example:
        >>> is_picture("data:image/png;base64,iVBORw0KGgo="), is_picture("https://example.org/a.png"), is_picture(None)
        (True, False, False)
    """
    return isinstance(value, str) and _DATA_URI.fullmatch(value) is not None


def picture_size(uri: str) -> tuple[int, int] | None:
    """Return width and height of a PNG data URI, read from its header; None for other pictures.

    Example:
        >>> picture_size(png_uri(np.zeros((3, 5), dtype=np.uint8)))
        (5, 3)
    """
    head = "data:image/png;base64,"
    if not is_picture(uri) or not uri.startswith(head):
        return None
    start = base64.b64decode(uri[len(head) : len(head) + 32] + "==", validate=False)
    if len(start) < 24 or start[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    return int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")


def pixels(picture: ArrayLike) -> Pixels:
    """Return a picture as (H, W, C) bytes.

    Args:
        picture: (H, W) or channels first (C, H, W) with C = 1 (grey), 3 (RGB) or 4 (with opacity); uint8 0..255, or
            floats 0..1, which are cut there. NaN becomes 0. bool is 0 or 1.

    Raises:
        UsageError: Another shape or kind of number.

    Example:
        >>> pixels(np.array([[0.0, 0.5], [1.0, 2.0]]))[:, :, 0].tolist()
        [[0, 128], [255, 255]]
    """
    array = np.asarray(picture)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[0] not in (1, 3, 4) or array.size == 0:
        raise UsageError("this is no picture", expected="(H, W) or (1|3|4, H, W), not empty", got=np.shape(picture))
    if array.dtype.kind == "f" or array.dtype.kind == "b":
        filled = np.nan_to_num(array.astype(np.float64), nan=0.0, posinf=1.0, neginf=0.0)
        array = (np.clip(filled, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    if array.dtype != np.uint8:
        raise UsageError("this is no picture", expected="uint8 0..255 or floats 0..1", got=array.dtype)
    return np.ascontiguousarray(array.transpose(1, 2, 0))  # (H, W, C)


def png_bytes(picture: ArrayLike, *, scale: int = 1) -> bytes:
    """Return a picture as a PNG file.

    Args:
        picture: As `pixels` takes it.
        scale: Each pixel becomes a square of this side.

    Example:
        >>> png_bytes(np.zeros((8, 8), dtype=np.uint8))[:4]
        b'\\x89PNG'
    """
    from PIL import Image

    array = pixels(picture).repeat(scale, axis=0).repeat(scale, axis=1)
    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def png_uri(picture: ArrayLike, *, scale: int = 1) -> str:
    """Return a picture as a data URI, to stand in a page; arguments as `png_bytes` takes them.

    Example:
        >>> png_uri(np.zeros((2, 2)))[:22]
        'data:image/png;base64,'
    """
    return "data:image/png;base64," + base64.b64encode(png_bytes(picture, scale=scale)).decode("ascii")


def lit_picture(picture: ArrayLike, weights: ArrayLike) -> Pixels:
    """Return a picture, channels first, that is lit where it was looked at: most where the weight is the largest.

    Args:
        picture: As `pixels` takes it.
        weights: (h, w), not negative: of regions that cover the picture evenly; between their middles they are
            interpolated.

    Returns:
        (C, H, W) bytes.

    Raises:
        UsageError: Weights of another shape, negative, or not finite.

    Example:
        >>> lit_picture(np.full((1, 2, 2), 200, dtype=np.uint8), [[1.0, 0.0]])[0].tolist()
        [[222, 60], [222, 60]]

    Source:
        LECTURES G8. Xu et al. 2015, figure 3.
    """
    from PIL import Image

    array, looked = pixels(picture), np.asarray(weights, dtype=np.float64)
    if looked.ndim != 2 or looked.size == 0 or not np.isfinite(looked).all() or looked.min() < 0:
        raise UsageError("these are no weights of regions", expected="(h, w), finite, at least 0", got=looked.shape)
    share = (looked / (looked.max() or 1.0)).astype(np.float32)
    height, width = array.shape[:2]
    light = np.asarray(Image.fromarray(share).resize((width, height), Image.Resampling.BILINEAR))
    shade = DARK + (1 - DARK) * light[:, :, None]  # (H, W, 1)
    lit = array.astype(np.float64)
    lit[:, :, :3] *= shade
    lit[:, :, :3] += GLOW * light[:, :, None] * (255 - lit[:, :, :3])
    return np.ascontiguousarray((lit + 0.5).astype(np.uint8).transpose(2, 0, 1))


def small_picture(picture: ArrayLike, side: int) -> Pixels:
    """Return a picture of at most so many pixels on its longer side, channels first.

    Args:
        picture: As `pixels` takes it.
        side: At least 1.

    Example:
        >>> small_picture(np.zeros((3, 40, 80), dtype=np.uint8), 20).shape
        (3, 10, 20)
    """
    from PIL import Image

    array = pixels(picture)
    height, width = array.shape[:2]
    if max(height, width) > side:
        wide, high = (max(1, round(length * side / max(height, width))) for length in (width, height))
        channels = (Image.fromarray(channel) for channel in array.transpose(2, 0, 1))
        return np.stack([np.asarray(one.resize((wide, high), Image.Resampling.BILINEAR)) for one in channels])
    return np.ascontiguousarray(array.transpose(2, 0, 1))


def filter_pictures(weights: ArrayLike, *, jointly: bool = False) -> list[NDArray[np.float64]]:
    """Return the filters of a convolution as pictures: (w - low) / (high - low).

    Filters of 1 or 3 channels become grey or RGB pictures; of any other number of channels the mean is shown.

    Args:
        weights: (K, C, H, W).
        jointly: Whether low and high are those of all filters (their sizes can be compared) or each filter's own
            (its shape is seen best).

    Returns:
        K pictures (1 or 3, H, W), 0..1; a filter without contrast, or without a finite value, is grey.

    Example:
        >>> [float(picture.max()) for picture in filter_pictures(np.arange(8.0).reshape(2, 1, 2, 2))]
        [1.0, 1.0]
        >>> round(float(filter_pictures(np.arange(8.0).reshape(2, 1, 2, 2), jointly=True)[0].max()), 2)
        0.43

    Source: LECTURES F1.
    """
    array = np.asarray(weights, dtype=np.float64)
    if array.ndim != 4:
        raise UsageError("these are no filters", expected="shape (K, C, H, W)", got=array.shape)
    if array.shape[1] not in (1, 3):
        array = array.mean(axis=1, keepdims=True)
    return [_stretch(one, array if jointly else one) for one in array]


def _stretch(values: NDArray[np.float64], over: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = over[np.isfinite(over)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if high <= low:
        return np.full(values.shape, 0.5)
    return np.where(np.isfinite(values), (values - low) / (high - low), 0.5)


def template_pictures(weights: ArrayLike, *, jointly: bool = False) -> list[NDArray[np.float64]]:
    """Return the rows of a linear classifier as pictures: orange speaks for the class, blue against it, white is 0.

    Args:
        weights: (K, C, H, W); of several channels the sum is shown, signs and all.
        jointly: Whether the full colors stand for the largest weight of all classes, or of each class.

    Returns:
        K pictures (3, H, W), 0..1.

    Example:
        >>> picture = template_pictures(np.array([[[[1.0, 0.0], [-1.0, 0.5]]]]))[0]
        >>> picture[:, 0, 1].tolist()
        [1.0, 1.0, 1.0]

    Source: LECTURES A3, the visual view.
    """
    array = np.asarray(weights, dtype=np.float64)
    if array.ndim != 4:
        raise UsageError("these are no templates", expected="shape (K, C, H, W)", got=array.shape)
    flat = np.nan_to_num(array.sum(axis=1), nan=0.0, posinf=0.0, neginf=0.0)  # (K, H, W)
    size = np.abs(flat).max(axis=None if jointly else (1, 2), keepdims=True)
    signed = flat / np.where(size > 0, size, 1.0)
    against, speaks_for = (rgb(PALETTES["light"].series[series]) for series in (0, 1))
    end = np.where(signed[:, None] > 0, speaks_for[:, None, None], against[:, None, None])  # (K, 3, H, W)
    strength = np.abs(signed)[:, None]
    return list((1.0 - strength) + strength * end)


def region_picture(
    grid: Sequence[Sequence[int]], *, opacity: float = 0.32, theme: Theme = "light"
) -> NDArray[np.float64]:
    """Return decision regions as a picture: the color of the predicted class at each place, see-through.

    Where there are more classes than colors, the next ones are striped.

    Args:
        grid: Class numbers, rows from the lowest y up; the picture has its first row on top.
        opacity: 0 to 1.
        theme: Whose colors.

    Returns:
        (4, H, W), 0..1.

    Example:
        >>> region_picture([[0, 1], [1, 1]]).shape
        (4, 2, 2)

    Source: LECTURES A2, A3.
    """
    classes = np.asarray(grid)
    if classes.ndim != 2 or classes.dtype.kind not in "iu":
        raise UsageError("these are no decision regions", expected="rows of class numbers", got=classes.shape)
    colors = np.stack([rgb(color) for color in PALETTES[theme].series])
    picture = colors[classes[::-1] % len(colors)].transpose(2, 0, 1)  # (3, H, W)
    rows, columns = np.indices(classes.shape)
    striped = (classes[::-1] // len(colors) % 2 == 1) & ((rows + columns) // STRIPE % 2 == 1)
    return np.concatenate([picture, np.where(striped, opacity / 4, opacity)[None]])


def region_places(grid: Sequence[Sequence[int]], *, least: int = 3) -> list[tuple[int, float, float]]:
    """Return where the name of each class can stand: the place of its regions that is farthest from their borders.

    Args:
        grid: Class numbers, rows from the lowest y up.
        least: Places between it and the nearest border; a class whose regions are narrower is left out.

    Returns:
        (class, x, y) with x from the left and y from the top, 0 to 1; at most 60 classes.

    Example:
        >>> region_places([[0] * 3 + [1] * 7] * 9)
        [(1, 0.65, 0.5)]
    """
    classes = np.pad(np.asarray(grid), 1, constant_values=-1)  # the edge of the picture is a border
    left = classes >= 0
    depth = np.zeros(classes.shape, dtype=np.int64)
    while left.any():
        depth += left
        kept = left.copy()
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            kept &= np.roll(left, step, axis) & (np.roll(classes, step, axis) == classes)
        left = kept
    height, width = np.asarray(grid).shape
    found = []
    for label in np.unique(classes[depth > least])[:60].tolist():
        deepest = np.argwhere((depth == depth[classes == label].max()) & (classes == label))
        middle = deepest[np.abs(deepest - deepest.mean(axis=0)).sum(axis=1).argmin()]  # of a plateau, its middle
        row, column = (middle - 0.5).tolist()
        found.append((label, round(column / width, 4), round(1 - row / height, 4)))
    return found


def picture_grid(pictures: Sequence[ArrayLike], *, columns: int | None = None, gap: int = 1) -> Pixels:
    """Return pictures of one size side by side as one picture, channels first.

    Args:
        pictures: As `pixels` takes them, all of one shape.
        columns: How many in a row; about a square without it.
        gap: Transparent pixels between two of them.

    Returns:
        (4, H, W), 0..255.

    Raises:
        UsageError: There are none, or their sizes differ.

    Example:
        >>> picture_grid([np.zeros((2, 2))] * 5, columns=3).shape
        (4, 5, 8)
    """
    tiles = [_with_opacity(pixels(picture)) for picture in pictures]
    sizes = sorted({tile.shape for tile in tiles})
    if len(sizes) != 1:
        raise UsageError("these pictures make no grid", expected="one size", got=sizes or "no picture")
    height, width, _ = sizes[0]
    columns = columns or int(np.ceil(np.sqrt(len(tiles))))
    rows = -(-len(tiles) // columns)
    sheet = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), dtype=np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet.transpose(2, 0, 1)


def _with_opacity(tile: Pixels) -> Pixels:
    if tile.shape[2] == 1:
        tile = tile.repeat(3, axis=2)
    if tile.shape[2] == 3:
        tile = np.concatenate([tile, np.full((*tile.shape[:2], 1), 255, dtype=np.uint8)], axis=2)
    return tile
