"""Lines of text: one sentence each, of a file or of what was given otherwise."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from chainrule.core.errors import DataError
from chainrule.core.paths import shown


def read_lines(path: Path, *, name: str) -> list[str]:
    """Return the lines of a file, packed by gzip or not.

    Args:
        path: The file.
        name: What errors call the data.

    Raises:
        DataError: It cannot be read or unpacked, or a line is not UTF-8; says which.
    """
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except OSError as error:
        raise DataError(f"{name}: {shown(path)} cannot be read: {error.strerror or error}") from None
    except (EOFError, zlib.error):
        raise DataError(f"{name}: {shown(path)} is damaged or cut short") from None
    return lines_of(raw, name=name, place=shown(path))


def lines_of(raw: bytes, *, name: str, place: str) -> list[str]:
    """Return the lines of UTF-8 text.

    A line ends with a line feed, and with nothing else: other signs that Unicode calls line breaks may stand inside a
    sentence. A carriage return before it and a byte order mark at the start are left out.

    Args:
        raw: The text.
        name: What errors call the data.
        place: Where it stands: a file.

    Raises:
        DataError: A line is not UTF-8; says which.

    Example:
        >>> lines_of("one\\r\\n\\ntwo\\u2028three\\n".encode(), name="the text", place="a.txt")
        ['one', '', 'two\\u2028three']
    """
    lines = raw.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(line.removesuffix(b"\r").decode("utf-8"))
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}: line {number:,} of {place} is no text in UTF-8",
                got=f"the byte {line[error.start]:#04x}",
                remedy="convert it, for example with `iconv -f latin1 -t utf-8`",
            ) from None
    return found
