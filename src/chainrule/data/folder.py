"""One's own pictures: a folder with one directory per class."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.data.images import Files, LabeledImages

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif"})

PARTS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
}
_DEPTH_AT_MOST = 32


def folder(*, folder: str, size: int = 64, resize: int | None = None, channels: int = 3) -> LabeledImages:
    """Return the pictures of a folder with one directory per class.

    `FOLDER/cat/1.jpg` is a picture of the class "cat"; directories inside a class belong to it. When the directories
    are called `train`, `valid` (or `val`) and `test`, the classes are looked for inside them, and they are the official
    parts. Hidden files and directories are passed over; other files are listed in `facts["ignored"]`.

    Args:
        folder: The folder.
        size: Height and width that the pictures get: shorter side scaled, middle cut out.
        resize: What the shorter side is scaled to before that, at least `size`; just `size` when left out.
        channels: 3 (color) or 1 (grey).

    Raises:
        DataError: There is no such folder, or it has no classes or no pictures.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> for name in ("cat", "dog"):
        ...     (root / name).mkdir()
        ...     Image.new("RGB", (8, 6)).save(root / name / "1.png")
        >>> images = folder(folder=str(root), size=4)
        >>> images.classes, images.labels.tolist(), images.shape
        (('cat', 'dog'), [0, 1], (3, 4, 4))
    """
    found = scan(Path(folder))
    names = sorted({name for name, _, _ in found.pictures} | set(found.classes), key=natural)
    number = {name: i for i, name in enumerate(names)}
    parts = {
        part: [i for i, (_, p, _) in enumerate(found.pictures) if p == part] for part in ("train", "valid", "test")
    }
    return LabeledImages(
        Path(folder).resolve().name or "folder",
        Files([path for _, _, path in found.pictures], size, channels, resize=resize),
        torch.tensor([number[name] for name, _, _ in found.pictures], dtype=torch.int64),
        tuple(names),
        train=torch.tensor(parts["train"], dtype=torch.int64),
        valid=torch.tensor(parts["valid"], dtype=torch.int64) if found.has("valid") else None,
        test=torch.tensor(parts["test"], dtype=torch.int64) if found.has("test") else None,
        facts={"source": "a folder of pictures", "ignored": found.ignored},
    )


@dataclass
class Found:
    """What a folder holds.

    Args:
        pictures: (class, part, path) of each picture, in natural order.
        classes: Directories that stand for classes, also the empty ones.
        parts: Which parts have a directory of their own.
        ignored: Files that are no pictures, and links that lead in a circle.
    """

    pictures: list[tuple[str, str, str]] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def has(self, part: str) -> bool:
        """Whether the part has a directory of its own."""
        return part in self.parts


def scan(
    root: Path,
    *,
    suffixes: Collection[str] = SUFFIXES,
    what: str = "pictures",
    kinds: str = "PNG, JPEG, WebP, BMP or GIF files",
) -> Found:
    """List the classes and pictures (or other examples) of a folder by their names alone; no file is opened.

    Args:
        root: The folder.
        suffixes: How the names of examples end, in small letters.
        what: What errors call them.
        kinds: What errors call their files.

    Raises:
        DataError: There is no such folder, or it has no classes or no pictures.
    """
    if not root.is_dir():
        state = "is a file" if root.exists() else "does not exist"
        raise DataError(f"the folder {shown(root)} {state}", expected="a folder with one directory per class")
    found = Found()
    top = _entries(root, found)
    directories = [entry for entry in top if os.path.isdir(entry.path)]
    found.ignored += [entry.path for entry in top if not os.path.isdir(entry.path)]
    layout = {entry.name: PARTS.get(entry.name.lower()) for entry in directories}
    if "train" in layout.values() and None not in layout.values():
        for entry in directories:
            part = layout[entry.name] or "train"
            if part in found.parts:
                raise DataError(f"{shown(root)} has two directories for the part {part}", got=", ".join(layout))
            found.parts.append(part)
            inside = _entries(Path(entry.path), found)
            found.ignored += [one.path for one in inside if not os.path.isdir(one.path)]
            _read_classes([one for one in inside if os.path.isdir(one.path)], part, found, suffixes)
    else:
        _read_classes(directories, "train", found, suffixes)
    if not found.pictures:
        raise DataError(
            f"there are no {what} in {shown(root)}",
            expected=f"one directory per class with {kinds} in it",
            got=f"{len(found.classes)} directories, {len(found.ignored)} other files",
        )
    return found


def _read_classes(directories: list[os.DirEntry[str]], part: str, found: Found, suffixes: Collection[str]) -> None:
    for directory in directories:
        if directory.name not in found.classes:
            found.classes.append(directory.name)
        for path in _walk(Path(directory.path), found, set(), 0):
            if Path(path).suffix.lower() in suffixes:
                found.pictures.append((directory.name, part, path))
            else:
                found.ignored.append(path)


def _walk(folder: Path, found: Found, above: set[tuple[int, int]], depth: int) -> Iterator[str]:
    """The files below a directory; a link to a directory that is being walked is not followed again."""
    try:
        status = folder.stat()
    except OSError as error:
        found.ignored.append(f"{folder} ({error.strerror})")
        return
    here = (status.st_dev, status.st_ino)
    if here in above or depth > _DEPTH_AT_MOST:
        found.ignored.append(str(folder))
        return
    for entry in _entries(folder, found):
        if os.path.isdir(entry.path):
            yield from _walk(Path(entry.path), found, above | {here}, depth + 1)
        else:
            yield entry.path


def _entries(folder: Path, found: Found) -> list[os.DirEntry[str]]:
    """What a directory holds, hidden things left out, in natural order."""
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: natural(e.name))
    except OSError as error:
        found.ignored.append(f"{folder} ({error.strerror})")
        return []


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Return the key by which names are sorted as people do: numbers by their value.

    Example:
        >>> sorted(["b10", "b9", "a", "B1"], key=natural)
        ['a', 'B1', 'b9', 'b10']
    """
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(p), "") if p[0].isdecimal() and p.isascii() else (1, 0, p.casefold()) for p in pieces], name
