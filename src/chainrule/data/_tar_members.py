"""What a tar file holds, read from its headers: nothing is unpacked, and no claim of a header is believed unseen."""

from __future__ import annotations

import itertools
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from chainrule.core.errors import DataError
from chainrule.core.paths import shown

MEMBERS_AT_MOST = 5_000_000
"""Of one file."""
HEADER_AT_MOST = 2**20
"""Bytes of one header, long names and attributes included."""
SIZE_AT_MOST = 2**31
"""Bytes of one member."""


class Member(NamedTuple):
    """A regular file in a tar file.

    Args:
        name: As it is written there.
        offset: Where its bytes begin.
        size: How many they are.
    """

    name: str
    offset: int
    size: int


def tar_members(path: Path) -> Iterator[Member]:
    """Yield the regular files of an uncompressed tar file, in their order; links, devices and folders are passed over.

    Args:
        path: The file.

    Raises:
        DataError: It is missing, no tar file, compressed, cut short, or claims what cannot be.
    """
    try:
        with path.open("rb") as file:
            yield from _members(file, path)
    except OSError as error:
        raise DataError(f"the shard {shown(path)} cannot be read", got=error.strerror) from None
    except (tarfile.TarError, ValueError, EOFError, _Refused) as error:
        raise DataError(
            f"the shard {shown(path)} is damaged or no tar file",
            expected="a whole, uncompressed tar file",
            got=" ".join(str(error).split())[:120],
        ) from None


def _members(file: BinaryIO, path: Path) -> Iterator[Member]:
    length = os.fstat(file.fileno()).st_size
    last = -1
    with tarfile.open(fileobj=_Guarded(file), mode="r:") as archive:  # type: ignore[call-overload]
        for number in itertools.count():
            member = archive.next()
            if member is None:
                _require_end(file, archive.offset, length)
                return
            if number >= MEMBERS_AT_MOST:
                raise _Refused(f"more than {MEMBERS_AT_MOST:,} members")
            if member.offset <= last or member.size < 0:
                raise _Refused(f"a header that leads back, of {shown(member.name)}")
            last = member.offset
            archive.members.clear()  # the list of all headers would outgrow memory
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
                continue
            if member.size > SIZE_AT_MOST:
                raise _Refused(f"{shown(member.name)} of {member.size:,} bytes")
            if member.offset_data + member.size > length:
                raise _Refused(f"cut short in {shown(member.name)}")
            yield Member(member.name, member.offset_data, member.size)


def _require_end(file: BinaryIO, offset: int, length: int) -> None:
    """Refuse a file whose headers stop before its end: the library takes a damaged one for the end."""
    if length < offset + tarfile.BLOCKSIZE:
        raise _Refused("cut short")
    if length > offset + HEADER_AT_MOST:
        raise _Refused(f"a damaged header at byte {offset:,}")
    file.seek(offset)
    if any(file.read(HEADER_AT_MOST)):
        raise _Refused(f"a damaged header at byte {offset:,}")


class _Refused(Exception):
    """Why a file is not read."""


class _Guarded:
    """A file of which only headers are read, and none that claims to be longer than a header is."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def read(self, count: int) -> bytes:
        if not 0 <= count <= HEADER_AT_MOST:
            raise _Refused(f"a header of {count:,} bytes")
        return self.file.read(count)

    def seek(self, place: int) -> int:
        return self.file.seek(place)

    def tell(self) -> int:
        return self.file.tell()
