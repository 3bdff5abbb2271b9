"""CIFAR-10 in a lossy form: the 60,000 images as JPEG, in one NumPy archive."""

from __future__ import annotations

import hashlib
import math
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import features

from chainrule.core.errors import DataError, StorageError
from chainrule.core.paths import shown
from chainrule.core.store import storage_error, write_file
from chainrule.data._archive import opened_archive, require_size
from chainrule.data._open_image import open_image
from chainrule.data.cifar10 import CLASSES
from chainrule.data.fetch import cache_folder, find, missing
from chainrule.data.images import InMemory, LabeledImages
from chainrule.data.known import folder_name

NAME = "cifar10-jpeg"
FILE = "cifar10_jpeg.npz"
CONTENT_SHA256 = "7e333e208123c5ca6f6b785c7c04f95e1673889e200c7526f670e93aefcf528e"
"""Of jpeg, offsets, labels and split one after another, however the archive is packed."""

_PARTS = {"jpeg": np.uint8, "offsets": np.int64, "labels": np.uint8, "split": np.uint8}
_BYTES_AT_MOST = 2**28  # unpacked, all parts together; the known archive has 56 MB
_SHAPE = (3, 32, 32)


def cifar10_jpeg() -> LabeledImages:
    """Return 50,000 training and 10,000 test images, 32x32, RGB, from JPEG files of quality 75 or so.

    Accuracies are close to, but not comparable with, those on the lossless images; `facts["lossy"]` says so in every
    result. The images are decoded once and kept in the cache folder.

    Raises:
        DataError: The file is missing or damaged.

    Source:
        Krizhevsky: Learning multiple layers of features from tiny images (2009), re-encoded.
    """
    path = find(NAME, (FILE,))
    if path is None:
        raise missing(NAME, FILE, None)
    parts = read_parts(path)
    labels, test = torch.from_numpy(parts["labels"].astype(np.int64)), torch.from_numpy(parts["split"] == 1)
    return LabeledImages(
        NAME,
        InMemory(_decoded(path, parts)),
        labels,
        CLASSES,
        train=(~test).nonzero().squeeze(1),
        test=test.nonzero().squeeze(1),
        facts={"source": "CIFAR-10 (Krizhevsky), re-encoded as JPEG", "published": True, "lossy": True},
    )


def read_parts(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the archive, after its claims were checked and before any of them is trusted.

    Raises:
        DataError: The archive is damaged, cut short, claims too much, or its arrays do not fit together.
    """
    try:
        with opened_archive(path) as archive:
            require_size(path, archive.infolist(), _BYTES_AT_MOST)
            parts = {name: _array(archive, f"{name}.npy") for name in _PARTS}
    except KeyError as error:
        raise DataError(f"{shown(path)} lacks an array: {error.args[0]}", expected=", ".join(_PARTS)) from None
    _require(path, parts)
    return parts


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array; NumPy's own reader takes memory for whatever shape the header claims."""
    member = archive.getinfo(name)
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"{name} has the version {version}")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.hasobject or len(shape) != 1:
            raise ValueError(f"{name} has another form")
        data = file.read()  # at most what the archive claims for it
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{name} has not the length that its header claims")
    return np.frombuffer(data, dtype)


def content_digest(parts: dict[str, np.ndarray]) -> str:
    """Return the SHA-256 of the arrays, one after another."""
    digest = hashlib.sha256()
    for name in _PARTS:
        digest.update(np.ascontiguousarray(parts[name]).data)
    return digest.hexdigest()


def _require(path: Path, parts: dict[str, np.ndarray]) -> None:
    offsets, count = parts["offsets"], len(parts["labels"])
    whole = (
        all(parts[name].dtype == dtype and parts[name].ndim == 1 for name, dtype in _PARTS.items())
        and count > 0
        and len(offsets) == count + 1
        and len(parts["split"]) == count
    )
    if not whole or offsets[0] != 0 or offsets[-1] != len(parts["jpeg"]) or bool((np.diff(offsets) <= 0).any()):
        raise DataError(f"the arrays of {shown(path)} do not fit together", remedy="get the file again")
    if int(parts["labels"].max()) >= len(CLASSES) or int(parts["split"].max()) > 1:
        raise DataError(f"{shown(path)} has a label out of range", expected="classes 0 to 9, split 0 or 1")


def _decoded(path: Path, parts: dict[str, np.ndarray]) -> torch.Tensor:
    """The images (N, 3, 32, 32); kept in the cache with a checksum, under the digest of what they were made from."""
    count = len(parts["labels"])
    decoder = f"{features.version('jpg')} {features.version('libjpeg_turbo')}"  # decoders differ in the last bit
    key = hashlib.sha256(f"{content_digest(parts)} {decoder}".encode()).hexdigest()[:24]
    folder = cache_folder() / folder_name(NAME)
    cached = _cached(folder / f"decoded-{key}.bin", count)
    if cached is not None:
        return cached
    jpeg, offsets = parts["jpeg"].tobytes(), parts["offsets"].tolist()
    pixels = np.empty((count, *_SHAPE), np.uint8)
    for i in range(count):
        try:
            picture = open_image(jpeg[offsets[i] : offsets[i + 1]], max_pixels=32 * 32)
        except DataError as error:
            raise DataError(
                f"image {i} of {shown(path)} cannot be read", expected="a JPEG of 32x32", got=error.got
            ) from None
        if picture.size != (32, 32) or picture.mode != "RGB":
            raise DataError(
                f"image {i} of {shown(path)} has another form",
                expected="32x32 RGB",
                got=f"{picture.size} {picture.mode}",
            )
        pixels[i] = np.asarray(picture).transpose(2, 0, 1)
    _keep(folder / f"decoded-{key}.bin", pixels)
    return torch.from_numpy(pixels)


def _cached(path: Path, count: int) -> torch.Tensor | None:
    """The images in the cache if they are whole, else None: they can be made again."""
    size = count * int(np.prod(_SHAPE))
    try:
        if path.stat().st_size != size + 4:
            return None
        data = np.fromfile(path, np.uint8)
    except OSError:
        return None
    if len(data) != size + 4 or zlib.crc32(data[:size].data) != int.from_bytes(data[size:].tobytes(), "little"):
        return None
    return torch.from_numpy(data[:size].reshape(count, *_SHAPE))


def _keep(path: Path, pixels: np.ndarray) -> None:
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error("write", path.parent, error) from error
        write_file(path, pixels.tobytes() + zlib.crc32(pixels.data).to_bytes(4, "little"))
    except StorageError:
        return  # a cache that cannot be written costs seconds the next time, nothing else
