"""What the operating system says of files, as something that a user can act on."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from chainrule.core.errors import StorageError
from chainrule.core.paths import shown

_WHY = {
    errno.ENOSPC: ("the disk is full", "free some space, or choose another disk"),
    errno.EDQUOT: ("your quota on this disk is used up", "free some space, or choose another disk"),
    errno.EFBIG: ("the file would be longer than this process may write", "raise the limit (ulimit -f)"),
    errno.EROFS: ("the disk is read-only", "choose another folder"),
    errno.EACCES: ("permission denied", "choose a folder that you may write to"),
    errno.EPERM: ("permission denied", "choose a folder that you may write to"),
    errno.ENOENT: ("the folder does not exist", "make the folder first, or check the path"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "check the path"),
    errno.EISDIR: ("there is a folder of that name", "choose another name"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter name"),
    errno.EIO: ("the disk reports an error", "check the disk; what was saved before is still there"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n)"),
    errno.ELOOP: ("its links lead in a circle", "check the path"),
}
_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def storage_error(
    action: str, path: str | os.PathLike[str], error: OSError | ValueError, needed: int | None = None
) -> StorageError:
    """Translate what the operating system said into what a user can act on.

    Args:
        action: What was being done: "write", "remove" ...
        path: The file or folder it was done to.
        error: As it was raised. A `ValueError` is a name with a NUL character.
        needed: Bytes that were to be written, named where space is the reason.

    Example:
        >>> print(storage_error("write", "a.json", OSError(errno.EROFS, "")))
        cannot write "a.json": the disk is read-only. Remedy: choose another folder.
    """
    if isinstance(error, ValueError):
        return StorageError(f"cannot {action} {shown(path)}: it is no name for a file", remedy="choose another name")
    code = error.errno or 0
    why, remedy = _WHY.get(code, (os.strerror(code) if code else str(error), None))
    space: dict[str, str] = {}
    if code in _SPACE and needed is not None:
        space["expected"] = f"room for {needed:,} bytes"
        with contextlib.suppress(OSError):
            space["got"] = f"{shutil.disk_usage(Path(path).absolute().parent).free:,} bytes free on the disk"
    return StorageError(f"cannot {action} {shown(path)}: {why}", remedy=remedy, **space)


@contextlib.contextmanager
def translated(action: str, path: Path, needed: int | None = None) -> Iterator[None]:
    """Raise what the operating system refuses in this block as `storage_error` says it.

    Args:
        action: What is being done.
        path: The file or folder it is done to.
        needed: Bytes that are to be written.

    Raises:
        StorageError: Something was refused.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        raise storage_error(action, path, error, needed) from error
