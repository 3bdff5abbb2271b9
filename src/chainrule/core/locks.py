"""Locks on files and folders, which end with the process that holds them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType

from chainrule.core.errors import StorageError
from chainrule.core.paths import shown
from chainrule.core.storage_errors import translated

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF}  # what file systems without flock answer
_locked: set[int] = set()  # descriptors that a forked child must not hold: the lock would outlive us


def _forget_locks() -> None:
    for fd in _locked:
        with contextlib.suppress(OSError):
            os.close(fd)
    _locked.clear()


os.register_at_fork(after_in_child=_forget_locks)


def flock(fd: int) -> bool | None:
    """Whether the lock was got; None where the file system has none."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def hold(fd: int) -> None:
    """Lock a temporary as long as it is open, and know it in forked children."""
    _locked.add(fd)
    flock(fd)


def close(fd: int) -> None:
    """Close what was held, unless a forked child has."""
    if fd in _locked:  # a forked child has closed it, and the number may be another file's by now
        _locked.discard(fd)
        os.close(fd)


class Lock:
    """A folder used by one process at a time, until the `with` block or the process ends.

    The kernel drops the lock when its holder dies, however it dies, so none is ever stale; children that the holder
    forked do not keep it. A file system without locks is not locked.

    Args:
        folder: It must exist. The lock is a file `.lock` in it, which stays.

    Raises:
        StorageError: Another process, which is named, uses the folder.

    Example:
        >>> import tempfile
        >>> with Lock(tempfile.mkdtemp()):
        ...     print("alone")
        alone
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder, self._fd = Path(folder), -1

    def __enter__(self) -> Lock:
        with translated("lock", self.folder):
            fd = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            _locked.add(fd)
            try:
                if flock(fd) is False:
                    holder = os.read(fd, 20).decode(errors="replace").strip() or "unknown"
                    raise StorageError(
                        f"{shown(self.folder)} is in use by another process",
                        got=f"process {holder}",
                        remedy="wait until it ends, or choose another folder",
                    )
                os.ftruncate(fd, 0)
                os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
            except BaseException:
                close(fd)
                raise
            self._fd = fd
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        close(self._fd)
        self._fd = -1
