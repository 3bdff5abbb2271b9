"""Finding the files of a data set: in the data folder, in the cache, or by a verified download."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from chainrule.core.errors import DataError, StorageError
from chainrule.core.paths import shown
from chainrule.core.store import Lock, storage_error
from chainrule.data.known import KNOWN, Download, Known, folder_name

Progress = Callable[[str, int, int], None]
"""Called with the name of a file, the bytes that have come, and the bytes that are to come."""

CHUNK = 2**20
_offline: ContextVar[bool] = ContextVar("chainrule_offline", default=False)


@contextmanager
def no_downloads(on: bool = True) -> Iterator[None]:
    """Forbid downloads inside the `with` block.

    Example:
        >>> with no_downloads():
        ...     downloads_allowed()
        False
    """
    token = _offline.set(on)
    try:
        yield
    finally:
        _offline.reset(token)


def downloads_allowed() -> bool:
    """Return whether a missing file may be downloaded: not inside `no_downloads`, nor with CHAINRULE_OFFLINE set."""
    return not _offline.get() and os.environ.get("CHAINRULE_OFFLINE", "") in ("", "0")


def data_folder() -> Path | None:
    """Return the folder named by CHAINRULE_DATA, or None; nothing is ever written there."""
    value = os.environ.get("CHAINRULE_DATA", "")
    return Path(value).expanduser() if value else None


def cache_folder() -> Path:
    """Return where downloads are kept: CHAINRULE_CACHE, or the platform's folder for caches."""
    value = os.environ.get("CHAINRULE_CACHE", "")
    if value:
        return Path(value).expanduser()
    import pooch

    return Path(pooch.os_cache("chainrule"))


def places(name: str) -> list[Path]:
    """Return the folders in which a data set is looked for, in order; they need not exist."""
    return [place / folder_name(name) for place in (data_folder(), cache_folder()) if place is not None]


def find(name: str, files: Iterable[str]) -> Path | None:
    """Return the first of some file names that exists in one of the places of a data set, or None."""
    names = list(files)
    for place in places(name):
        for file in names:
            path = place / file
            if path.is_file():
                return path
    return None


def find_known(name: str, file: Known, *, inside: str = "") -> Path | None:
    """Return where a known file of a data set is, packed or not, or None.

    Args:
        name: Of the data set.
        file: Which of its files.
        inside: A folder in the set's own, such as "cifar-10-batches-bin", where it may lie as well.
    """
    names = [f"{file.name}.gz", file.name] + ([f"{inside}/{file.name}"] if inside else [])
    return find(file.folder or name, names)


def locate(name: str, file: Known, *, progress: Progress | None = None) -> Path:
    """Return where a known file is, packed or not; it is downloaded when it is in none of the places.

    Raises:
        DataError: It is not there and must not or cannot be downloaded; names the file, its place and its source.
    """
    found = find_known(name, file)
    if found is not None:
        return found
    if file.download is None:
        raise missing(file.folder or name, file.name, None)
    return download(name, file.download, progress=progress)


def download(name: str, what: Download, *, progress: Progress | None = None) -> Path:
    """Download a file into the cache and return its path: under its name only when its checksum is right.

    Raises:
        DataError: Downloads are forbidden, the server does not answer, or the bytes are not the known ones.
        StorageError: The cache cannot be written.
    """
    folder = cache_folder() / folder_name(name)
    path = folder / what.name
    if not downloads_allowed():
        raise missing(name, what.name, what.url, "downloads are switched off")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error("write", folder, error) from error
    with _alone(folder):
        try:
            _retrieve(f"{name}: ", what, folder, progress)  # leaves what another process has just fetched as it is
        except _Unreachable as error:
            raise missing(name, what.name, what.url, f"cannot be downloaded ({error})") from None
    return path


def download_into(folder: Path, what: Download) -> None:
    """Download a file of somebody's own into a folder of the cache.

    Args:
        folder: Made if it is not there.
        what: Its size is the most that it may have; any bytes will do where it has no SHA-256.

    Raises:
        DataError: Downloads are forbidden, the server does not answer, the file is too long, or other bytes came.
        StorageError: The cache cannot be written.
    """
    if not downloads_allowed():
        raise DataError("downloads are switched off")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error("write", folder, error) from error
    with _alone(folder):
        if not (folder / what.name).is_file():  # another process may have just fetched it
            try:
                _retrieve("", what, folder, None)
            except _Unreachable as error:
                raise DataError(error.brief) from None


def missing(name: str, file: str, url: str | None, why: str | None = None) -> DataError:
    """Return the error for a file that is nowhere: what, where it belongs, where it comes from."""
    where = " or ".join(shown(place / file) for place in places(name))
    source = url or (KNOWN[name].source if name in KNOWN else None)
    if source:
        remedy = (
            f"get it from {source} and put it there, or set CHAINRULE_DATA to the folder that holds {folder_name(name)}"
        )
    else:
        remedy = "put it there; docs/data.md says how it is made"
    return DataError(
        f"{name}: the file {file} is missing" + (f" and {why}" if why else ""), expected=f"it at {where}", remedy=remedy
    )


class _Unreachable(Exception):
    """Why a server gave nothing: all that is known, and in brief."""

    def __init__(self, known: str, brief: str) -> None:
        super().__init__(known)
        self.brief = brief


def _retrieve(label: str, what: Download, folder: Path, progress: Progress | None) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.ERROR)
    downloader = pooch.HTTPDownloader(progressbar=_Meter(what, progress), chunk_size=CHUNK, timeout=60)
    try:
        known = None if what.sha256 is None else f"sha256:{what.sha256}"
        pooch.retrieve(what.url, known, fname=what.name, path=folder, downloader=downloader)
    except requests.RequestException as error:
        status = None if error.response is None else error.response.status_code
        late = "is too slow" if isinstance(error, requests.Timeout) else "cannot be reached"
        brief = f"the server says {status}" if status else f"the server {late}"
        raise _Unreachable(" ".join(str(error).split())[:160], brief) from None
    except ValueError:
        raise DataError(
            f"{label}what {what.url} sent is not the known file {what.name}",
            expected=f"at most {what.size:,} bytes" if what.sha256 is None else f"the SHA-256 {what.sha256[:16]}...",
            remedy="try again; the file may have been cut short",
        ) from None
    except OSError as error:
        raise storage_error("write", folder / what.name, error, what.size) from error


class _Meter:
    """What pooch takes for a progress bar: tells how far a download is, and stops one that is longer than it may be."""

    def __init__(self, what: Download, progress: Progress | None) -> None:
        self.what, self.progress, self.come, self.total = what, progress, 0, what.size

    def update(self, count: int) -> None:
        self.come += count
        if self.come > self.what.size + CHUNK:  # the last chunk counts in full
            raise ValueError("longer than the known file")
        if self.progress is not None:
            self.progress(self.what.name, min(self.come, self.what.size), self.what.size)

    def reset(self) -> None:
        self.come = 0

    def close(self) -> None:
        pass


@contextmanager
def _alone(folder: Path, seconds: float = 1800.0) -> Iterator[None]:
    """Hold the folder's lock; wait while another process downloads into it."""
    end = time.monotonic() + seconds
    while True:
        lock = Lock(folder)
        try:
            lock.__enter__()
        except StorageError as error:
            if "in use" not in error.what or time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            break
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def verify(path: Path, file: Known) -> str | None:
    """Return what is wrong with a file of a known set, or None: every byte of its content is checked.

    Packed files are unpacked as they are read, and no further than the known length.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) if packed else raw as content:
                size, digest = _digest(content, file.size)
    except (OSError, EOFError, zlib.error) as error:
        return f"{path.name}: {error.strerror or error if isinstance(error, OSError) else 'damaged or cut short'}"
    if size != file.size:
        return (
            f"{path.name}: its content has {'more than' if size > file.size else 'only'} {min(size, file.size)} bytes"
        )
    if digest != file.sha256:
        return f"{path.name}: its content is not the published one (SHA-256 {digest[:16]}...)"
    return None


def _digest(content: io.BufferedIOBase, most: int) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    while size <= most and (block := content.read(min(CHUNK, most + 1 - size))):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()
