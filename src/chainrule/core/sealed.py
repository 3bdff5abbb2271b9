"""Folders that prove they are whole: a manifest with lengths and checksums, checked before anybody parses a byte.

`manifest.json` holds for each file its length and a CRC-32 of every 1 MiB block, the writer's facts, the number of the
format, and, first of all, a SHA-256 digest of everything that follows it. So a changed bit, a missing end, or a file
that is missing, exchanged or additional is found wherever it is, the manifest included, and named.

Certain for bursts of up to 32 bits, otherwise 1 - 2^-32 for each damaged block.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chainrule.core.errors import CheckpointCorrupt, CheckpointError, StorageError
from chainrule.core.paths import shown
from chainrule.core.plain import to_json

FORMAT = 1
MANIFEST = "manifest.json"
BLOCK = 1 << 20  # bytes that share one checksum
_HEAD, _NECK, _DIGEST = b'{"digest":"', b'",', 64
_MANIFEST_LIMIT = 64 << 20
_OUR_FAULT = {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM}  # says nothing about the bytes


class Whole(NamedTuple):
    """The newest whole folder, and those above it that are not whole, with the reason."""

    path: Path
    files: dict[str, bytes]
    facts: dict[str, Any]
    passed_over: list[tuple[Path, str]]


class Checksums:
    """Length and the CRC-32 of each block of a file that is written or read piece by piece.

    Example:
        >>> sums = Checksums()
        >>> sums.add(memoryview(b"abc")); sums.entry()
        {'bytes': 3, 'crc32': ['352441c2']}
    """

    def __init__(self) -> None:
        self.length, self._crc = 0, 0
        self._blocks: list[str] = []

    def room(self) -> int:
        """Bytes until the current block is full."""
        return BLOCK - self.length % BLOCK

    def add(self, piece: memoryview) -> None:
        """Take in the next bytes, at most `room()` of them."""
        self._crc = zlib.crc32(piece, self._crc)
        self.length += len(piece)
        if self.length % BLOCK == 0 and len(piece):
            self._blocks.append(f"{self._crc:08x}")
            self._crc = 0

    def entry(self) -> dict[str, Any]:
        """What the manifest says about the file."""
        return {"bytes": self.length, "crc32": self._blocks + ([f"{self._crc:08x}"] if self.length % BLOCK else [])}


def manifest_bytes(entries: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> bytes:
    """Return the bytes of `manifest.json`: a digest first, of everything behind it."""
    body = to_json({"facts": facts, "files": entries, "format": FORMAT})[1:]
    return _HEAD + hashlib.sha256(body).hexdigest().encode() + _NECK + body


def _unreadable(path: Path, error: OSError) -> CheckpointError | StorageError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _OUR_FAULT:
        return StorageError(
            f"cannot read {shown(path)}: {reason}", remedy="check the permissions of the file and its folders"
        )
    return CheckpointCorrupt(f"cannot read {shown(path)}", got=reason)


def _open_plain(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)  # a link is refused, a pipe does not wait


def _read(path: Path, expected: int | None) -> bytes:
    """Return the bytes of a regular file, whose length must be the expected one (None: any up to a limit)."""
    try:
        with open(path, "rb", opener=_open_plain) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise CheckpointCorrupt(f"{shown(path)} is no file")
            if expected is None and status.st_size > _MANIFEST_LIMIT:
                raise CheckpointCorrupt(f"{shown(path)} is too long for a manifest", got=f"{status.st_size} bytes")
            if expected is not None and status.st_size != expected:
                raise CheckpointCorrupt(
                    f"{shown(path)} has another length", expected=f"{expected} bytes", got=f"{status.st_size} bytes"
                )
            data = file.read()
    except OSError as error:
        raise _unreadable(path, error) from error
    if expected is not None and len(data) != expected:
        raise CheckpointCorrupt(
            f"{shown(path)} has another length", expected=f"{expected} bytes", got=f"{len(data)} bytes"
        )
    return data


def _read_manifest(path: Path) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    data = _read(path, None)
    start = len(_HEAD) + _DIGEST + len(_NECK)
    body = data[start:]
    claimed = data[len(_HEAD) : len(_HEAD) + _DIGEST]
    if data[: len(_HEAD)] != _HEAD or data[start - len(_NECK) : start] != _NECK:
        raise CheckpointCorrupt(f"the first {start} bytes of {shown(path)} are not those of a manifest")
    if hashlib.sha256(body).hexdigest().encode() != claimed:
        raise CheckpointCorrupt(f"{shown(path)} does not have the digest it states", got=f"{len(data)} bytes")
    try:
        content = json.loads(b"{" + body)
        number, files, facts = content["format"], content["files"], content["facts"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointCorrupt(f"{shown(path)} is no manifest", got=str(error)) from error
    if type(number) is not int or number < 1:
        raise CheckpointCorrupt(f"{shown(path)} states no format", got=repr(number)[:40])
    if number > FORMAT:
        raise CheckpointError(
            f"{shown(path.parent)} was written by a newer version of chainrule",
            expected=f"format {FORMAT} or older",
            got=f"format {number}",
            remedy="install a newer chainrule",
        )
    if not isinstance(facts, dict) or not isinstance(files, dict) or not all(map(_is_entry, files.values())):
        raise CheckpointCorrupt(f"{shown(path)} is no manifest", got="other contents than files and facts")
    return files, facts


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or set(entry) != {"bytes", "crc32"}:
        return False
    blocks = entry["crc32"]
    return type(entry["bytes"]) is int and isinstance(blocks, list) and all(isinstance(crc, str) for crc in blocks)


def _first_damage(data: bytes, blocks: Sequence[str]) -> int | None:
    """The number of the first block whose checksum is not the stated one."""
    view = memoryview(data)
    count = -(-len(data) // BLOCK)
    for i in range(max(count, len(blocks))):
        if i >= count or i >= len(blocks) or f"{zlib.crc32(view[i * BLOCK : (i + 1) * BLOCK]):08x}" != blocks[i]:
            return i
    return None


def read_folder(path: str | os.PathLike[str]) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files and facts of a published folder, after every byte of it was checked.

    Returns:
        The bytes of each file by name, and the facts as `publish_folder` was given them.

    Raises:
        CheckpointCorrupt: A file is missing, additional, or not what was written; it is named, and so is the block.
        CheckpointError: There is no such folder, or a newer version wrote it.
        StorageError: A file may not be read.
    """
    folder = Path(path)
    try:
        names = set(os.listdir(folder))
    except FileNotFoundError as error:
        if not os.path.islink(folder):
            raise CheckpointError(f"there is no folder {shown(folder)}") from error
        raise CheckpointCorrupt(f"{shown(folder)} is a link to nothing") from error
    except OSError as error:
        raise _unreadable(folder, error) from error
    if MANIFEST not in names:
        raise CheckpointCorrupt(f"{shown(folder)} has no {MANIFEST}, so it was never finished or is something else")
    entries, facts = _read_manifest(folder / MANIFEST)
    listed = set(entries) | {MANIFEST}
    for name in sorted(listed ^ names):
        state = "is missing from" if name in listed else "does not belong in"
        raise CheckpointCorrupt(
            f"{shown(name)} {state} {shown(folder)}", expected=f"{len(listed)} files", got=f"{len(names)}"
        )
    files: dict[str, bytes] = {}
    for name, entry in sorted(entries.items()):
        data = _read(folder / name, entry["bytes"])
        damaged = _first_damage(data, entry["crc32"])
        if damaged is not None:
            first, last = damaged * BLOCK, min((damaged + 1) * BLOCK, len(data)) - 1
            raise CheckpointCorrupt(
                f"{shown(folder / name)} is damaged in block {damaged} (bytes {first} to {last})",
                expected=f"CRC-32 {entry['crc32'][damaged]}" if damaged < len(entry["crc32"]) else "no such block",
            )
        files[name] = data
    return files, facts


def verify_folder(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Check every byte of a published folder and return its facts; raises as `read_folder` does."""
    return read_folder(path)[1]


def newest_whole(
    parent: str | os.PathLike[str],
    prefix: str = "step-",
    *,
    check: Callable[[Path, Mapping[str, bytes], Mapping[str, Any]], object] | None = None,
) -> Whole:
    """Return the folder with the highest number behind `prefix` that is whole, and which were passed over and why.

    Args:
        parent: Where the folders stand.
        prefix: What their names begin with.
        check: `(path, files, facts)`, raises `CheckpointCorrupt` where the contents, though whole, are not what belongs
            there; such a folder is passed over too.

    Raises:
        CheckpointError: None is whole, or there is none; or the newest was written by a newer version.
        StorageError: A folder may not be read.
    """
    number = re.compile(re.escape(prefix) + r"([0-9]{1,18})\Z")
    try:
        found = [(int(match[1]), name) for name in os.listdir(parent) if (match := number.match(name))]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(f"there is no whole checkpoint: there is no folder {shown(parent)}") from error
    except OSError as error:
        raise _unreadable(Path(parent), error) from error
    passed_over: list[tuple[Path, str]] = []
    for _, name in sorted(found, reverse=True):
        path = Path(parent, name)
        try:
            files, facts = read_folder(path)
            if check is not None:
                check(path, files, facts)
            return Whole(path, files, facts, passed_over)
        except CheckpointCorrupt as damage:
            passed_over.append((path, str(damage)))
    reasons = "; ".join(reason for _, reason in passed_over)
    raise CheckpointError(f"there is no whole checkpoint in {shown(parent)}", got=reasons or "an empty folder")
