"""`.pth` and `.pt` files, looked at without running anything, and made anew from their checked parts.

A `.pth` file is a zip archive of one pickle, which is a program, and of raw numbers. Three walls stand before it. First
the archive: stored members only, of the names that `torch.save` writes, with right checksums and no more bytes than the
file has; from these a clean archive is made, so that two readers of one odd archive cannot disagree. Then the pickle:
its opcodes are listed, not run, and any opcode or name that a state dictionary does not need is refused. Last
`torch.load(weights_only=True)` in a process that can do no harm (`runtime.weights`).

Source: RELIABILITY, section 7, rules 2 and 3.
"""

from __future__ import annotations

import io
import pickletools
import re
import struct
import zipfile
from typing import BinaryIO

from chainrule.core.errors import WeightsError
from chainrule.core.paths import shown

PICKLE_LIMIT = 8 << 20  # bytes of the pickle: about 200 for each tensor
_OPCODE_LIMIT = 2_000_000
_DIRECTORY_LIMIT = 32 << 20  # bytes of the archive's table of contents: about 100 for each tensor
_MEMBER_LIMIT = 50_000
_CONVERT = "in Python: torch.save(torch.load(FILE, weights_only=True), NEW), if you trust where it comes from"
_MEMBER = re.compile(
    r"[^/\0]{1,255}/(data\.pkl|data/[^/\0]{1,64}|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id)"
)
_OPCODES = {
    *("PROTO", "STOP", "GLOBAL", "REDUCE", "BUILD", "BINPERSID", "MARK", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *(
        "EMPTY_TUPLE",
        "EMPTY_LIST",
        "EMPTY_DICT",
        "APPEND",
        "APPENDS",
        "SETITEM",
        "SETITEMS",
        "NONE",
        "NEWFALSE",
        "NEWTRUE",
    ),
    *(
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "BINFLOAT",
        "BINUNICODE",
        "BINGET",
        "LONG_BINGET",
        "BINPUT",
        "LONG_BINPUT",
    ),
}
_STORAGES = ("Float", "Double", "Half", "BFloat16", "Bool", "Byte", "Char", "Short", "Int", "Long")
_GLOBALS = {
    "collections OrderedDict",
    "torch Size",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_tensor_v2",
    *(f"torch {name}Storage" for name in _STORAGES),
}


class _Refused(Exception):
    """Why an archive is not read, and what can be done."""

    def __init__(self, why: str, remedy: str = "do not use it: nothing was loaded") -> None:
        super().__init__(why)
        self.remedy = remedy


def clean_archive(file: BinaryIO, size: int, source: str) -> bytes:
    """Return a new archive of the checked members of a `.pth` file.

    Args:
        file: Open for reading, seekable.
        size: Its length in bytes.
        source: What it is called in errors.

    Raises:
        WeightsError: It is damaged, hostile, or no state dictionary.
    """
    try:
        count = _count_members(file, size)
        with zipfile.ZipFile(file) as archive:
            if len(archive.infolist()) != count:
                raise _Refused(f"it states {count} members and has {len(archive.infolist())}")
            return _rebuilt(archive, size)
    except _Refused as why:
        raise WeightsError(f"{source} is refused: {why}", remedy=why.remedy) from why
    except (
        Exception
    ) as error:  # zipfile has no one error for bad files: BadZipFile, struct.error, NotImplementedError ...
        reason = shown(str(error)[:200])[1:-1]
        raise WeightsError(f"{source} is no whole zip archive", got=reason, remedy="fetch or save it again") from error


def _count_members(file: BinaryIO, size: int) -> int:
    """Find the archive's table of contents, last in the file; refuse it if it is huge; return how many it states."""
    file.seek(max(0, size - 42))
    tail = file.read(42)
    signature, count, length, comment = struct.unpack("<4s6xHI4xH", tail[-22:])
    if signature != b"PK\x05\x06" or comment:
        raise _Refused("it does not end as an archive does", "fetch or save it again: it may be cut short")
    if length == 0xFFFFFFFF:
        locator, start = struct.unpack("<4s4xQ4x", tail[:20])
        file.seek(min(start, size))
        record, count, length = struct.unpack("<4s28xQQ", file.read(48))
        if locator != b"PK\x06\x07" or record != b"PK\x06\x06":
            raise _Refused("its table of contents is odd")
    if length > _DIRECTORY_LIMIT:
        raise _Refused(f"its table of contents claims {length} bytes, more than {_DIRECTORY_LIMIT}")
    return int(count)


def _rebuilt(archive: zipfile.ZipFile, size: int) -> bytes:
    members = archive.infolist()
    names = [member.filename for member in members]
    roots = {name.partition("/")[0] for name in names}
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise _Refused(
            "it is a TorchScript program, which is code", "save the weights alone: torch.save(model.state_dict(), NEW)"
        )
    if len(members) > _MEMBER_LIMIT or len(set(names)) != len(names) or len(roots) != 1:
        raise _Refused(
            "its members are not those that torch.save writes: too many, twice the same, or of several folders"
        )
    for member in members:
        if (
            member.compress_type != zipfile.ZIP_STORED
            or member.flag_bits & 1
            or member.compress_size != member.file_size
        ):
            raise _Refused(
                f"its member {shown(member.filename)} is compressed or encrypted, which torch.save never does"
            )
        if not _MEMBER.fullmatch(member.filename):
            raise _Refused(f"its member {shown(member.filename)} is none that a state dictionary has")
    total = sum(member.file_size for member in members)
    if total > size:
        raise _Refused(f"its members claim {total} bytes, more than the {size} of the file")
    root = roots.pop()
    if f"{root}/data.pkl" not in names:
        raise _Refused("it has no data.pkl, so torch.save did not write it")
    if archive.getinfo(f"{root}/data.pkl").file_size > PICKLE_LIMIT:
        raise _Refused(f"its pickle is longer than {PICKLE_LIMIT} bytes")
    if f"{root}/byteorder" in names and archive.read(f"{root}/byteorder") not in (b"little", b"big"):
        raise _Refused("its order of bytes is unknown")
    check_pickle(archive.read(f"{root}/data.pkl"))
    clean = io.BytesIO()
    with zipfile.ZipFile(clean, "w", zipfile.ZIP_STORED) as copy:
        for name in names:  # reading checks each CRC-32, which torch.load does not
            copy.writestr(zipfile.ZipInfo("archive" + name[len(root) :]), archive.read(name))
    return clean.getvalue()


def check_pickle(data: bytes) -> None:
    """List the opcodes of a pickle without running it; refuse what a state dictionary does not need."""
    stream = io.BytesIO(data)
    count = 0
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            count += 1
            if opcode.name not in _OPCODES or (opcode.name == "PROTO" and argument != 2):
                raise _Refused(f"its pickle has the opcode {opcode.name}, which no state dictionary needs")
            if opcode.name == "GLOBAL" and argument not in _GLOBALS:
                name = shown(str(argument)[:100].replace(" ", "."))
                raise _Refused(
                    f"its pickle names {name}, which is no tensor", "save the weights alone: model.state_dict()"
                )
            if count > _OPCODE_LIMIT:
                raise _Refused(f"its pickle has more than {_OPCODE_LIMIT} opcodes")
    except (ValueError, OverflowError, IndexError, EOFError) as error:
        raise _Refused("its pickle is damaged") from error
    if stream.read(1):
        raise _Refused("something follows its pickle")


def legacy_refusal(head: bytes, source: str) -> WeightsError | None:
    """The error for the formats before PyTorch 1.6, told by the first 512 bytes; None for anything else."""
    if head[257:262] == b"ustar":
        return WeightsError(
            f"{source} is refused: it is a tar archive of pickles, from before PyTorch 0.1.10", remedy=_CONVERT
        )
    if head[:1] == b"\x80" and 0 < head[1] <= 5:
        return WeightsError(f"{source} is refused: it is a bare pickle, PyTorch's format before 1.6", remedy=_CONVERT)
    return None
