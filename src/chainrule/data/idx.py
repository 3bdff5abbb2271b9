"""IDX files, the format of MNIST: a magic number, the dimensions, then the values; gzipped or not."""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from chainrule.core.errors import DataError
from chainrule.core.paths import shown

MAX_BYTES = 2**31

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_DEFLATE = 1032  # no gzip file holds more than so many times its own length
_REMEDY = "get the file again"


def read_idx(path: str | os.PathLike[str], *, dims: int, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """Read an IDX file.

    Everything that the header claims is compared with the file before memory is taken; a file with one byte too few or
    too many is refused.

    Args:
        path: The file; whether it is gzipped is seen from its first bytes, not from its name.
        dims: How many dimensions it must have (3: grey images, 1: labels).
        max_bytes: Most values may take.

    Returns:
        The values in the shape that the header gives, in the machine's byte order.

    Raises:
        DataError: The file is missing, of another kind, cut short, damaged or too long; which file, what is wrong.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "labels")
        >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 1, 9]))
        >>> read_idx(path, dims=1).tolist()
        [7, 1, 9]

    Source:
        LeCun, Cortes, Burges: The MNIST database, "file formats".
    """
    path = Path(path)
    try:
        with path.open("rb") as raw:
            length = os.fstat(raw.fileno()).st_size
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not packed:
                return _parse(raw, path, dims, max_bytes, length)
            with gzip.GzipFile(fileobj=raw) as content:
                return _parse(content, path, dims, max_bytes, _DEFLATE * length)
    except FileNotFoundError:
        raise DataError(f"{shown(path)} is missing") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        what = "cut short" if isinstance(error, EOFError) else f"damaged ({str(error)[:80]})"
        raise DataError(f"{shown(path)} is {what}", expected="a whole gzipped IDX file", remedy=_REMEDY) from None
    except OSError as error:
        raise DataError(f"{shown(path)} cannot be read: {error.strerror or error}") from None


def _parse(file: io.BufferedIOBase, path: Path, dims: int, max_bytes: int, most: int) -> np.ndarray:
    kind, shape = _header(file, path, dims)
    dtype = np.dtype(_TYPES[kind])
    size = math.prod(shape) * dtype.itemsize
    claim = f"{' x '.join(map(str, shape))} values of {dtype.itemsize} bytes"
    if size > max_bytes:
        raise DataError(f"{shown(path)} claims more than is allowed", expected=f"at most {max_bytes} bytes", got=claim)
    if size > most - 4 - 4 * dims:
        raise DataError(f"{shown(path)} is too short for what its header claims", expected=claim, remedy=_REMEDY)
    values = np.empty(size, np.uint8)
    view, come = values.data, 0
    while come < size:
        count = file.readinto(view[come : come + 2**20])
        if not count:
            raise DataError(
                f"{shown(path)} is cut short", expected=claim, got=f"{come} bytes of values", remedy=_REMEDY
            )
        come += count
    if file.read(1):
        raise DataError(f"{shown(path)} goes on after its last value", expected=claim, remedy=_REMEDY)
    return values.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _header(file: io.BufferedIOBase, path: Path, dims: int) -> tuple[int, tuple[int, ...]]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES:
        raise DataError(
            f"{shown(path)} is no IDX file",
            expected="two zero bytes, a type and a number of dimensions",
            got=f"{head.hex(' ') or 'nothing'}",
        )
    if head[3] != dims:
        raise DataError(f"{shown(path)} has the wrong number of dimensions", expected=dims, got=head[3])
    rest = file.read(4 * dims)
    if len(rest) < 4 * dims:
        raise DataError(
            f"{shown(path)} is cut short",
            expected=f"{4 + 4 * dims} bytes of header",
            got=f"{4 + len(rest)}",
            remedy=_REMEDY,
        )
    shape = struct.unpack(f">{dims}I", rest)
    if 0 in shape:
        raise DataError(f"{shown(path)} is empty", expected="dimensions of at least 1", got=" x ".join(map(str, shape)))
    return head[2], shape
