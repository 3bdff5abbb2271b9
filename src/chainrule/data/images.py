"""Pictures with classes: where they come from, and what is known about them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int64, Shaped, UInt8
from PIL import Image
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.core.paths import shown
from chainrule.data._at_hand import at_hand
from chainrule.data._open_image import open_image

_PANORAMA = 16  # sides of a picture that is scaled whole: a line of pixels would grow beyond memory


@dataclass(frozen=True)
class Inspection:
    """What one stored picture is, before any resizing.

    Args:
        where: Its file, or its number.
        size: Height and width in pixels.
        mode: "grey", "color", or "C channels".
        digest: Hash of the pixels; equal pictures have equal digests.
        problem: Why it cannot be used, or None.
    """

    where: str
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    digest: str = ""
    problem: str | None = None


@runtime_checkable
class Pictures(Protocol):
    """Pictures of one size that are read by index; pure, so any process reads the same."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of each picture."""
        ...

    def __len__(self) -> int: ...

    def read(self, index: Int64[Tensor, " b"]) -> Shaped[Tensor, "b c h w"]:
        """Return pictures as uint8 0..255 (or as the floats that were given)."""
        ...

    def inspect(self, index: int) -> Inspection:
        """Return what a stored picture is; a picture that cannot be read is described, not raised."""
        ...

    def where(self, index: int) -> str | None:
        """Return where a picture lies; None where it is nothing but a number."""
        ...

    @property
    def resize(self) -> int | None:
        """What the shorter side is scaled to before the middle is cut out, where that was asked."""
        ...


class InMemory:
    """Pictures in one tensor.

    Args:
        tensor: (N, C, H, W), uint8 0..255 or float32.

    Raises:
        DataError: Another shape or type.

    Example:
        >>> pictures = InMemory(torch.zeros(5, 1, 8, 8, dtype=torch.uint8))
        >>> len(pictures), pictures.shape, tuple(pictures.read(torch.tensor([4, 0])).shape)
        (5, (1, 8, 8), (2, 1, 8, 8))
    """

    def __init__(self, tensor: Tensor) -> None:
        if tensor.ndim != 4 or tensor.dtype not in (torch.uint8, torch.float32) or 0 in tensor.shape[1:]:
            raise DataError(
                "these are no pictures",
                expected="a tensor (N, C, H, W) of uint8 or float32",
                got=f"{tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}",
            )
        self.tensor = tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of each picture."""
        channels, height, width = self.tensor.shape[1:]
        return channels, height, width

    def __len__(self) -> int:
        return len(self.tensor)

    def read(self, index: Int64[Tensor, " b"]) -> Shaped[Tensor, "b c h w"]:
        """Return a copy of some pictures."""
        return self.tensor.index_select(0, index)

    def where(self, index: int) -> None:
        """Return None: pictures in memory have numbers only."""

    @property
    def resize(self) -> None:
        """None: pictures in memory are as they are."""

    def inspect(self, index: int) -> Inspection:
        """Return what a picture is; values that are not finite are its problem."""
        picture = self.tensor[index]
        finite = picture.dtype == torch.uint8 or bool(torch.isfinite(picture).all())
        channels, height, width = self.shape
        return Inspection(
            where=f"image {index}",
            size=(height, width),
            mode={1: "grey", 3: "color"}.get(channels, f"{channels} channels"),
            digest=blake2b(picture.numpy().tobytes(), digest_size=16).hexdigest(),
            problem=None if finite else "has values that are not finite",
        )


class Files:
    """Picture files, decoded when they are read.

    The shorter side is scaled to the wanted size, or to `resize`, and the middle is cut out, so that nothing is
    distorted. Colors become grey, and grey becomes three equal channels, as `channels` asks.

    Args:
        paths: The files.
        size: Height and width that pictures get: one number for squares, or two.
        channels: 3 (color) or 1 (grey).
        resize: What the shorter side is scaled to before the middle is cut out; just what the size needs when left out.
        contents: Path -> bytes, of pictures that are no files of their own (members of an archive).

    Raises:
        UsageError: A size below 1, other channels, or a shorter side that is less than the size.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        size: int | tuple[int, int],
        channels: int = 3,
        *,
        resize: int | None = None,
        contents: Mapping[str, bytes] | None = None,
    ) -> None:
        self._shape = picture_shape(size, channels, resize)
        self.paths, self._resize = [os.fspath(path) for path in paths], resize
        self._contents = contents or {}

    @property
    def resize(self) -> int | None:
        """What the shorter side is scaled to before the middle is cut out; just what the size needs when None."""
        return self._resize

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of each picture."""
        return self._shape

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b c h w"]:
        """Decode some pictures.

        Raises:
            DataError: A file is missing or damaged; says which.
        """
        if len(index) == 0:
            return torch.empty((0, *self._shape), dtype=torch.uint8)
        return torch.stack([self._read(i) for i in index.tolist()])

    def _read(self, index: int) -> Tensor:
        path = self.paths[index]
        at_hand(index, path)
        return fitted(self._open(path), self._shape, resize=self.resize)

    def _open(self, path: str) -> Image.Image:
        try:
            return open_image(self._contents.get(path, path))
        except DataError as error:
            if path not in self._contents:
                raise
            raise DataError(
                f"the picture {shown(path)} cannot be read", expected=error.expected, got=error.got
            ) from None

    def stamp(self, path: str) -> str:
        """Return what tells whether a picture has changed: its length and time, or the hash of what was given.

        Raises:
            DataError: The file is missing.
        """
        if path in self._contents:
            return blake2b(self._contents[path], digest_size=16).hexdigest()
        try:
            status = os.stat(path)
        except OSError as error:
            raise DataError(f"the picture {shown(path)} cannot be read", got=error.strerror) from None
        return f"{status.st_size} {status.st_mtime_ns}"

    def where(self, index: int) -> str:
        """Return the file of a picture."""
        return self.paths[index]

    def inspect(self, index: int) -> Inspection:
        """Decode a picture and say what it is, or why it cannot be read."""
        return inspected(self.paths[index], lambda: self._open(self.paths[index]))


def inspected(where: str, opened: Callable[[], Image.Image]) -> Inspection:
    """Return what a picture is, or why it cannot be read.

    Args:
        where: Its file, or what it is called.
        opened: Opens it.
    """
    try:
        picture = opened()
    except DataError as error:
        return Inspection(where, problem=str(error.got or error.what))
    mode = {"L": "grey", "RGB": "color"}[picture.mode]
    head = f"{picture.mode} {picture.size} ".encode()
    digest = blake2b(head + picture.tobytes(), digest_size=16).hexdigest()
    return Inspection(where, (picture.height, picture.width), mode, digest)


def picture_shape(size: int | tuple[int, int], channels: int, resize: int | None) -> tuple[int, int, int]:
    """Return the (C, H, W) that pictures get.

    Raises:
        UsageError: A size below 1, other channels, or a shorter side that is less than the size.

    Example:
        >>> picture_shape(64, 3, 72)
        (3, 64, 64)
    """
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1 or max(height, width) > 8192 or channels not in (1, 3):
        raise UsageError(
            "pictures cannot have this shape",
            expected="1 or 3 channels, sides of 1 to 8192 pixels",
            got=f"{channels} channels, {height}x{width}",
        )
    if resize is not None and not max(height, width) <= resize <= 8192:
        raise UsageError(
            "resize is what the shorter side is scaled to before the middle is cut out",
            expected=f"{max(height, width)} to 8192 pixels",
            got=resize,
        )
    return channels, height, width


def fitted(picture: Image.Image, shape: tuple[int, int, int], *, resize: int | None = None) -> UInt8[Tensor, "c h w"]:
    """Return an opened picture as a tensor of one shape: shorter side scaled, middle cut out, channels as asked.

    Args:
        picture: From `open_image`: grey or color, 8 bits.
        shape: (C, H, W) with C 1 or 3.
        resize: What the shorter side is scaled to; when left out, as little as (H, W) still fits into.

    Example:
        >>> tuple(fitted(Image.new("L", (200, 100)), (3, 32, 32)).shape)
        (3, 32, 32)
    """
    channels, height, width = shape
    picture = picture.convert("L" if channels == 1 else "RGB")
    if resize is not None:
        picture = _middle(_shorter_side(picture, resize), width, height)
    elif picture.size != (width, height):
        scale = max(height / picture.height, width / picture.width)
        cut_height, cut_width = height / scale, width / scale  # the part of the stored picture that is kept
        left, top = (picture.width - cut_width) / 2, (picture.height - cut_height) / 2
        box = (
            max(left, 0.0),
            max(top, 0.0),
            min(left + cut_width, picture.width),
            min(top + cut_height, picture.height),
        )
        picture = picture.resize((width, height), Image.Resampling.BILINEAR, box=box)
    values = torch.from_numpy(np.array(picture, dtype=np.uint8))
    return values.unsqueeze(0) if channels == 1 else values.permute(2, 0, 1)  # (H, W[, 3]) -> (C, H, W)


def _shorter_side(picture: Image.Image, resize: int) -> Image.Image:
    """The whole picture scaled, as published networks were measured; the ends of an extreme panorama are cut off."""
    short = min(picture.size)
    width, height = (min(side, _PANORAMA * short) for side in picture.size)
    picture = _middle(picture, width, height)
    return picture.resize((round(width * resize / short), round(height * resize / short)), Image.Resampling.BILINEAR)


def _middle(picture: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


@dataclass(frozen=True, eq=False)
class LabeledImages:
    """A set of pictures with classes.

    Args:
        name: What lists and reports call it.
        pictures: The pictures of all parts.
        labels: Class of each picture, int64 (N,), 0 to K - 1.
        classes: Names of the K classes.
        train: Indices of the official training part, or of all pictures that may be split.
        test: Indices of the official test part, or None.
        valid: Indices of the official validation part, or None.
        facts: What else is known (source, lossy form, ignored files ...), plain data.
        groups: Which pictures lie together, by number (their shard), int64 (N,); None where any are as near as others.
        window: Groups among whose pictures an epoch is shuffled.
        measured: Of how many training pictures mean and deviation are measured; of all when None.

    Raises:
        DataError: As many labels as pictures, or a class name twice.
    """

    name: str
    pictures: Pictures
    labels: Int64[Tensor, " n"]
    classes: Sequence[str]
    train: Int64[Tensor, " t"]
    test: Int64[Tensor, " e"] | None = None
    valid: Int64[Tensor, " v"] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    groups: Int64[Tensor, " n"] | None = None
    window: int = 1
    measured: int | None = None

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.pictures):
            raise DataError(
                f"{self.name} has not one label for each picture", expected=len(self.pictures), got=len(self.labels)
            )
        if len(set(self.classes)) != len(self.classes):
            twice = sorted({name for name in self.classes if list(self.classes).count(name) > 1})
            raise DataError(f"{self.name} names a class twice", got=", ".join(twice))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of each picture."""
        return self.pictures.shape

    @property
    def resize(self) -> int | None:
        """What the shorter side of picture files is scaled to before the middle is cut out, where that was asked."""
        return self.pictures.resize
