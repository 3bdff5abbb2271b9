"""Zip archives whose claims are checked before anything is unpacked."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chainrule.core.errors import DataError
from chainrule.core.paths import shown

# What zipfile and what reads its members raise for bad files; NotImplementedError: a compression that zipfile lacks.
_DAMAGE = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


@contextmanager
def opened_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive for reading; whatever is wrong with it while it is open is told as one error.

    Raises:
        DataError: It is missing, damaged or cut short.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError:
        raise DataError(f"{shown(path)} is missing") from None
    except _DAMAGE as error:
        raise damaged(path, error) from None


def require_size(path: Path, members: list[zipfile.ZipInfo], most: int) -> None:
    """Refuse members that claim to be larger than is allowed, all together.

    Raises:
        DataError: They do.
    """
    claimed = sum(member.file_size for member in members)
    if claimed > most:
        raise DataError(f"{shown(path)} claims more than is allowed", expected=f"{most} bytes", got=claimed)


def damaged(path: Path, error: Exception) -> DataError:
    """Return the error of a file that cannot be read whole."""
    return DataError(
        f"{shown(path)} is damaged or cut short ({' '.join(str(error).split())[:80]})", remedy="get the file again"
    )
