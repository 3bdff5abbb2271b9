"""CIFAR-10 in its published binary form."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

import numpy as np
import torch

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.core.store import storage_error, write_file
from chainrule.data.fetch import Progress, cache_folder, download, find
from chainrule.data.images import InMemory, LabeledImages
from chainrule.data.known import CIFAR10_ARCHIVE, KNOWN, folder_name

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RECORD = 1 + 3 * 32 * 32
IMAGES = 10_000
"""Images of each of the six files."""

_SUBFOLDER = "cifar-10-batches-bin"
_MEMBERS_AT_MOST = 64


def cifar10() -> LabeledImages:
    """Return 50,000 training and 10,000 test images of animals and vehicles, 32x32, RGB, in 10 classes.

    The six `.bin` files are read, or taken out of the published archive first.

    Raises:
        DataError: A file is missing and cannot be fetched, or is damaged.

    Source:
        Krizhevsky: Learning multiple layers of features from tiny images (2009).
    """
    batches = [read_batch(path) for path in binary_files()]
    pictures = torch.from_numpy(np.concatenate([images for images, _ in batches]))
    labels = torch.from_numpy(np.concatenate([labels for _, labels in batches])).to(torch.int64)
    count = len(labels)
    return LabeledImages(
        "cifar10",
        InMemory(pictures),
        labels,
        CLASSES,
        train=torch.arange(count - IMAGES),
        test=torch.arange(count - IMAGES, count),
        facts={"source": "CIFAR-10 (Krizhevsky), binary form", "published": True, "lossy": False},
    )


def read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (10000, 3, 32, 32) and labels (10000,) of one file: records of a label and three planes.

    Raises:
        DataError: The file is missing, of another length, or has a label out of range.
    """
    try:
        size = path.stat().st_size
        if size != IMAGES * RECORD:
            raise DataError(
                f"{shown(path)} is {'cut short' if size < IMAGES * RECORD else 'too long'}",
                expected=f"{IMAGES * RECORD} bytes",
                got=f"{size} bytes",
                remedy="get the file again",
            )
        records = np.fromfile(path, np.uint8).reshape(IMAGES, RECORD)
    except FileNotFoundError:
        raise DataError(f"{shown(path)} is missing") from None
    except OSError as error:
        raise DataError(f"{shown(path)} cannot be read: {error.strerror or error}") from None
    labels = records[:, 0]
    if int(labels.max()) >= len(CLASSES):
        record = int(labels.argmax())
        raise DataError(
            f"{shown(path)} has a label out of range in record {record}", expected="0 to 9", got=int(labels[record])
        )
    return records[:, 1:].reshape(IMAGES, 3, 32, 32), labels


def binary_files(progress: Progress | None = None) -> list[Path]:
    """Return where the six files are; they are taken out of the archive, which is downloaded, where need be.

    Raises:
        DataError: They are nowhere, and the archive is nowhere and cannot be downloaded, or is damaged.
        StorageError: The cache cannot be written.
    """
    names = KNOWN["cifar10"].names
    found = [find("cifar10", (name, f"{_SUBFOLDER}/{name}")) for name in names]
    if all(found):
        return [path for path in found if path is not None]
    archive = find("cifar10", (CIFAR10_ARCHIVE.name,)) or download("cifar10", CIFAR10_ARCHIVE, progress=progress)
    folder = cache_folder() / folder_name("cifar10")
    unpack(archive, folder, names)
    return [folder / name for name in names]


def unpack(archive: Path, folder: Path, names: list[str]) -> None:
    """Copy the wanted files out of the archive, one by one: nothing else in it is looked at, no path in it is followed.

    Raises:
        DataError: The archive is damaged, or lacks a file of the right length.
        StorageError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error("write", folder, error) from error
    wanted = {f"{_SUBFOLDER}/{name}": name for name in names}
    try:
        with tarfile.open(archive, "r|gz") as members:
            for number, member in enumerate(members):
                if number >= _MEMBERS_AT_MOST or member.size > IMAGES * RECORD:
                    raise DataError(
                        f"{shown(archive)} is not the published archive", got=f"a member {shown(member.name)}"
                    )
                name = wanted.get(member.name)
                if name is None or not member.isreg() or member.size != IMAGES * RECORD:
                    continue
                content = members.extractfile(member)
                data = b"" if content is None else content.read(member.size)
                if len(data) != member.size:
                    raise DataError(f"{shown(archive)} is cut short in {name}", remedy="get the file again")
                write_file(folder / name, data)
                del wanted[member.name]
                if not wanted:
                    return
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(
            f"{shown(archive)} is damaged or cut short ({str(error)[:80]})", remedy="get the file again"
        ) from None
    raise DataError(f"{shown(archive)} lacks {', '.join(wanted.values())}", remedy="get the file again")
