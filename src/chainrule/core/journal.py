"""Logs of one JSON record a line, only ever added to, and cut back to a known place when a run resumes.

`metrics.jsonl`, `events.jsonl` and `timing.jsonl` are journals. A checkpoint stores the length and CRC-32 that `sync`
returned; `Journal.cut` then proves that this much of the file is what it was, and drops the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from chainrule.core.errors import CheckpointCorrupt
from chainrule.core.paths import shown
from chainrule.core.plain import to_json
from chainrule.core.storage_errors import translated
from chainrule.core.store import storage_error, sync_path

_FLUSH = 1 << 16  # buffered bytes at which they are handed to the operating system
_CHUNK = 1 << 20


class Journal:
    """A log file of compact JSON lines with sorted keys; equal records give equal bytes.

    Floats are written so that they read back as the same float; NaN and infinities become "NaN", "Infinity" and
    "-Infinity" (`float(x)` turns these back). Lines wait in memory until 64 KiB are there, or `flush` or `sync`. An
    incomplete last line, left by a process that was killed, is removed when the file is opened.

    Args:
        path: Made if it is not there; its folder must exist.

    Raises:
        StorageError: The file cannot be opened or written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "metrics.jsonl")
        >>> with Journal(path) as journal:
        ...     journal.append({"step": 1, "loss": 0.5})
        ...     journal.sync()
        (22, 2867264770)
        >>> read_journal(path)
        [{'loss': 0.5, 'step': 1}]
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._buffer: list[bytes] = []
        self._waiting = 0
        self._synced = -1  # the length that is known to be on the disk
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except (OSError, ValueError) as error:
            raise storage_error("open", self.path, error) from error
        try:
            self._length, self._crc = _whole_lines(self._fd)
            os.ftruncate(self._fd, self._length)
            if self._length == 0:  # perhaps made just now: its name must last before a checkpoint counts on it
                sync_path(self.path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            raise storage_error("open", self.path, error) from error

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one record. Nothing of it is on the disk before `sync`."""
        line = to_json(record) + b"\n"
        self._buffer.append(line)
        self._waiting += len(line)
        if self._waiting >= _FLUSH:
            self.flush()

    def flush(self) -> None:
        """Hand the waiting lines to the operating system, so that other processes see them.

        After a failure the file ends where it ended before, and the lines still wait.
        """
        data = b"".join(self._buffer)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._fd, memoryview(data)[written:], self._length + written)
        except OSError as error:
            self._drop_tail()
            raise storage_error("write", self.path, error, len(data)) from error
        self._crc = zlib.crc32(data, self._crc)
        self._length += len(data)
        self._buffer.clear()
        self._waiting = 0

    def _drop_tail(self) -> None:
        try:
            os.ftruncate(self._fd, self._length)
        except OSError:  # the tail is no whole line or is written again by the next flush: no record is lost
            return

    def sync(self) -> tuple[int, int]:
        """Put everything on the disk.

        Returns:
            The length of the file in bytes and the CRC-32 of all of it: what `cut` needs.
        """
        self.flush()
        if self._length != self._synced:
            try:
                os.fsync(self._fd)
            except OSError as error:
                raise storage_error("write", self.path, error) from error
            self._synced = self._length
        return self._length, self._crc

    def close(self) -> None:
        """Flush and close; a second time does nothing."""
        if self._fd < 0:
            return
        try:
            self.flush()
        finally:
            fd, self._fd = self._fd, -1
            with translated("write", self.path):  # some file systems say only now that there was no room
                os.close(fd)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def cut(path: str | os.PathLike[str], length: int, crc: int) -> None:
        """Cut a journal back to a place that `sync` returned, after proving that everything before it is unchanged.

        Cutting twice at the same place is the same as once. A journal of length 0 need not exist.

        Raises:
            CheckpointCorrupt: The file is shorter, or has other bytes before that place; it is left as it is.
            StorageError: It cannot be read or written.
        """
        file = Path(path)
        try:
            fd = os.open(file, os.O_RDWR | os.O_CLOEXEC | (0 if length else os.O_CREAT), 0o666)
        except (OSError, ValueError) as error:
            if length and isinstance(error, FileNotFoundError):
                raise CheckpointCorrupt(f"{shown(file)} is missing", expected=f"{length} bytes") from error
            raise storage_error("open", file, error) from error
        try:
            found = os.fstat(fd).st_size
            if found < length:
                raise CheckpointCorrupt(f"{shown(file)} is cut short", expected=f"{length} bytes", got=f"{found} bytes")
            if _crc_of(fd, length) != crc:
                raise CheckpointCorrupt(
                    f"{shown(file)} was changed within its first {length} bytes", expected=f"CRC-32 {crc:08x}"
                )
            os.ftruncate(fd, length)
            os.fsync(fd)
        except OSError as error:
            raise storage_error("cut", file, error) from error
        finally:
            os.close(fd)


class Log(Protocol):
    """What records can be added to."""

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one record."""

    def sync(self) -> tuple[int, int]:
        """Put everything on the disk; returns the length and the CRC-32."""

    def __enter__(self) -> Log: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class NoJournal:
    """A log that nobody keeps: of the processes that share a training, one writes."""

    def append(self, record: Mapping[str, Any]) -> None:
        """Forget the record."""

    def sync(self) -> tuple[int, int]:
        """Return the length and the CRC-32 of nothing."""
        return 0, 0

    def __enter__(self) -> NoJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""


def journal(path: str | os.PathLike[str], *, kept: bool = True) -> Log:
    """Open a log, or what takes its place where it is not kept."""
    return Journal(path) if kept else NoJournal()


def _crc_of(fd: int, length: int) -> int:
    crc = position = 0
    while position < length and (piece := os.pread(fd, min(_CHUNK, length - position), position)):
        crc = zlib.crc32(piece, crc)
        position += len(piece)
    return crc


def _whole_lines(fd: int) -> tuple[int, int]:
    """Length and CRC-32 of a file up to its last line end."""
    crc = whole_crc = position = whole = 0
    while piece := os.pread(fd, _CHUNK, position):
        end = piece.rfind(b"\n") + 1
        if end:
            whole_crc, whole = zlib.crc32(piece[:end], crc), position + end
        crc = zlib.crc32(piece, crc)
        position += len(piece)
    return whole, whole_crc


def read_journal(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the records of a journal, without an incomplete last line (its writer still writes, or was killed).

    Raises:
        CheckpointCorrupt: Another line is no record; it is named.
        StorageError: The file cannot be read.
    """
    file = Path(path)
    try:
        lines = file.read_bytes().split(b"\n")
    except (OSError, ValueError) as error:
        raise storage_error("read", file, error) from error
    records = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CheckpointCorrupt(f"line {number} of {shown(file)} is no JSON", got=repr(line[:60])) from error
        if not isinstance(record, dict):
            raise CheckpointCorrupt(f"line {number} of {shown(file)} is no record", got=repr(line[:60]))
        records.append(record)
    return records
