"""The one place that writes files and folders: whole and durable, or not at all.

A file or folder appears under its name only when all its bytes are on the disk: temporary name, fsync, rename, fsync of
the parent. Every failure is a `StorageError` that says why, and leaves what was there before as it was. Checkpoints are
folders with a manifest of checksums (`core.sealed`), checked by `read_folder` before anybody parses a byte.

Temporaries are named `NAME.tmp-PID-N` and stay locked as long as their writer lives, so `clean_stale` tells those of
the dead apart without trusting process numbers, which are used again and mean nothing on another host.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chainrule.core.errors import StorageError, UsageError
from chainrule.core.locks import Lock, close, flock, hold
from chainrule.core.paths import shown
from chainrule.core.sealed import MANIFEST, Checksums, Whole, manifest_bytes, newest_whole, read_folder, verify_folder
from chainrule.core.storage_errors import storage_error, translated

__all__ = [
    "Lock",
    "Whole",
    "clean_stale",
    "filled_folder",
    "newest_whole",
    "publish_folder",
    "read_folder",
    "remove_folder",
    "sealed_folder",
    "storage_error",
    "sync_path",
    "verify_folder",
    "write_file",
]

Bytes = bytes | bytearray | memoryview
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_TEMPORARY = re.compile(r"\.tmp-[0-9]+-[0-9]+\Z")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}\Z")
_DAY = 24 * 3600.0
_count = itertools.count()


def _temporary(path: Path) -> Path:
    tail = f".tmp-{os.getpid()}-{next(_count)}"
    name = os.fsencode(path.name)
    if len(name) + len(tail) > 255:  # what nearly every file system allows, in bytes
        name = name[: 255 - len(tail)].decode(errors="ignore").encode()
    return path.with_name(os.fsdecode(name) + tail)


def _write_all(fd: int, rest: memoryview) -> None:
    while rest:
        rest = rest[os.write(fd, rest) :]


def _buffers(data: Bytes | Sequence[Bytes]) -> list[memoryview]:
    views = [memoryview(piece) for piece in ([data] if isinstance(data, Bytes) else data)]
    return [view.cast("B") for view in views if view.nbytes]  # an empty view of another type cannot be cast


def sync_path(path: str | os.PathLike[str]) -> None:
    """Put a file on the disk, or the names of a folder: without it what was made in a folder may be gone after a power
    cut, however well its contents were synced.

    Raises:
        OSError: As the operating system says it.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _discard(path: Path) -> None:
    """Remove what a failed attempt left; a second failure must not hide the first."""
    with contextlib.suppress(OSError, ValueError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def write_file(path: str | os.PathLike[str], data: Bytes | str | Sequence[Bytes]) -> None:
    """Write a file that is there completely or not at all, and lasts.

    What was under the name before stays whole until the new content replaces it in one step. Whatever fails, nothing
    is left behind; a killed process leaves a temporary, which `clean_stale` removes. A link is replaced, not followed.

    Args:
        path: Its folder must exist.
        data: The whole content, in one buffer or in several one after the other; text is written as UTF-8.

    Raises:
        StorageError: The disk is full, the path cannot be written, or is no regular file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "a.txt")
        >>> write_file(path, "hello"); path.read_text()
        'hello'
    """
    target = Path(path)
    buffers = _buffers(data.encode() if isinstance(data, str) else data)
    with translated("write", target, sum(map(len, buffers))):
        if target.exists() and not target.is_file():  # a rename would replace a device by a file
            raise StorageError(f"cannot write {shown(target)}: it exists and is no file", remedy="choose another name")
        temporary = _temporary(target)
        try:
            fd = os.open(temporary, _NEW, 0o666)
            try:
                hold(fd)
                for buffer in buffers:
                    _write_all(fd, buffer)
                os.fsync(fd)
                os.replace(temporary, target)
            finally:
                close(fd)
            sync_path(target.parent)
        except BaseException:
            _discard(temporary)
            raise


def _write_part(path: Path, buffers: Sequence[memoryview]) -> dict[str, Any]:
    """Write and fsync one file of a folder; returns its length and checksums."""
    sums = Checksums()
    fd = os.open(path, _NEW, 0o666)
    try:
        for rest in buffers:
            while rest:
                piece, rest = rest[: sums.room()], rest[sums.room() :]
                _write_all(fd, piece)
                sums.add(piece)
        os.fsync(fd)
    finally:
        os.close(fd)
    return sums.entry()


def publish_folder(
    path: str | os.PathLike[str], files: Mapping[str, Bytes | Sequence[Bytes]], facts: Mapping[str, Any]
) -> None:
    """Write a new folder of files with checksums, which appears whole under its name or not at all.

    Args:
        path: A name that is not taken; the parent must exist.
        files: Plain names (letters, digits, `._-`) and their content, in one buffer or in several one after the other.
        facts: Plain data for the manifest. NaN and infinities are stored as text (`to_json`).

    Raises:
        StorageError: The name is taken, the disk is full, or the folder cannot be written. Nothing is left behind.
        UsageError: A file's name is not plain.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "step-00000001")
        >>> publish_folder(path, {"state.json": b"{}"}, {"step": 1})
        >>> read_folder(path)
        ({'state.json': b'{}'}, {'step': 1})
    """
    target = Path(path)
    for name in files:
        if not _PLAIN.match(name) or name == MANIFEST:
            raise UsageError(f"{shown(name)} is no plain name for a file of {shown(target)}")
    parts = {name: _buffers(data) for name, data in files.items()}
    needed = len(manifest_bytes({}, facts)) + sum(len(buffer) for buffers in parts.values() for buffer in buffers)
    with _new_folder(target, needed) as temporary:
        entries = {name: _write_part(temporary / name, buffers) for name, buffers in parts.items()}
        _write_part(temporary / MANIFEST, _buffers(manifest_bytes(entries, facts)))


@contextlib.contextmanager
def filled_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary folder to whoever fills it; it appears whole under its name, or not at all.

    For what other libraries write by themselves; `publish_folder` writes buffers, with their checksums.

    Args:
        path: A name that is not taken; the parent must exist.

    Raises:
        StorageError: The name is taken, the disk is full, or the folder cannot be written. Nothing is left behind.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "model")
        >>> with filled_folder(path) as folder:
        ...     _ = (folder / "a.txt").write_text("hello")
        >>> (path / "a.txt").read_text()
        'hello'
    """
    with _new_folder(Path(path)) as temporary:
        yield temporary
        with translated("write", Path(path)):
            for file in temporary.rglob("*"):
                sync_path(file)


@contextlib.contextmanager
def sealed_folder(path: str | os.PathLike[str], facts: Mapping[str, Any]) -> Iterator[Path]:
    """Give a temporary folder to those who fill it; it gets its name, with checksums of all files, or nothing does.

    For several processes that each write files of one folder; `publish_folder` is for buffers of one. The files stand
    side by side, without folders in it.

    Args:
        path: A name that is not taken; the parent must exist.
        facts: Plain data for the manifest.

    Raises:
        StorageError: The name is taken, the disk is full, or the folder cannot be written. Nothing is left behind.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "step-00000001")
        >>> with sealed_folder(path, {"step": 1}) as folder:
        ...     _ = (folder / "a.txt").write_text("hello")
        >>> read_folder(path)
        ({'a.txt': b'hello'}, {'step': 1})
    """
    with _new_folder(Path(path)) as temporary:
        yield temporary
        with translated("write", Path(path)):
            entries = {file.name: _sums_of(file) for file in sorted(temporary.iterdir())}
            _write_part(temporary / MANIFEST, _buffers(manifest_bytes(entries, facts)))


def _sums_of(path: Path) -> dict[str, Any]:
    """Length and checksums of a file that somebody else wrote, and that is on the disk from now on."""
    sync_path(path)
    sums = Checksums()
    with open(path, "rb") as file:
        while piece := file.read(sums.room()):
            sums.add(memoryview(piece))
    return sums.entry()


@contextlib.contextmanager
def _new_folder(target: Path, needed: int | None = None) -> Iterator[Path]:
    """A folder under a temporary name while it is filled, which then gets its own; nothing of it where that fails."""
    if os.path.lexists(target):
        raise StorageError(
            f"cannot write {shown(target)}: the name is taken", remedy="choose another name, or remove it"
        )
    temporary = _temporary(target)
    fd = -1
    try:
        try:
            with translated("write", target, needed):
                os.mkdir(temporary)
            fd = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            hold(fd)
            yield temporary
            os.fsync(fd)
            os.rename(temporary, target)
            sync_path(target.parent)
        except BaseException:
            _discard(temporary)
            raise
        finally:
            close(fd)
    except OSError as error:  # other errors are those of whoever fills the folder
        raise storage_error("write", target, error, needed) from error


def remove_folder(path: str | os.PathLike[str]) -> None:
    """Remove a folder in one step: interrupted, it is either still whole, or gone but for a temporary.

    Raises:
        StorageError: There is no such folder, or it cannot be removed.
    """
    target = Path(path)
    with translated("remove", target):
        if target.is_symlink() or not target.is_dir():
            raise StorageError(f"cannot remove {shown(target)}: it is no folder")
        temporary = _temporary(target)
        os.rename(target, temporary)
        sync_path(target.parent)
        shutil.rmtree(temporary)


def set_aside(path: str | os.PathLike[str], prefix: str) -> Path:
    """Free the name of a folder or file and return where it stands now: beside, as PREFIX-NAME, numbered when taken.

    Raises:
        StorageError: It cannot be renamed.
    """
    target, number = Path(path), 0
    while (aside := target.with_name(f"{prefix}-{target.name}" + (f"-{number}" if number else ""))).exists():
        number += 1
    with translated("rename", target):
        os.rename(target, aside)
        sync_path(target.parent)
    return aside


def clean_stale(parent: str | os.PathLike[str]) -> list[str]:
    """Remove the temporaries that dead processes left in a folder, and return their names.

    A living writer holds a lock on its temporary, on whichever host that shares the disk's locks. Where the file system
    has no locks, only what is older than a day goes.

    Raises:
        StorageError: The folder cannot be read.
    """
    removed = []
    with translated("read", Path(parent)):
        names = sorted(name for name in os.listdir(parent) if _TEMPORARY.search(name))
    for name in names:
        path = Path(parent, name)
        with contextlib.suppress(OSError):  # another process may be cleaning too
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                free = flock(fd)
                if free is None:
                    free = time.time() - os.fstat(fd).st_mtime > _DAY
                if free:
                    _discard(path)
                    removed.append(name)
            finally:
                os.close(fd)
    return removed
