"""Texts and pictures that a verb is given: in words, in files, or on standard input (`-`)."""

from __future__ import annotations

import sys
from pathlib import Path


def given_lines(file: str) -> list[str]:
    """Return the lines of a file, or of standard input.

    Raises:
        DataError: It cannot be read, or is not UTF-8.
    """
    from chainrule.data.lines import lines_of, read_lines

    if file == "-":
        return lines_of(sys.stdin.buffer.read(), name="the texts", place="standard input")
    return read_lines(Path(file), name="the texts")


def given_text(text: str) -> str:
    """Return a text itself, or what standard input holds.

    Raises:
        DataError: Standard input is not UTF-8.
    """
    if text != "-":
        return text
    from chainrule.data.lines import lines_of

    raw = sys.stdin.buffer.read()
    lines = lines_of(raw, name="the text", place="standard input")
    return "\n".join(lines) + ("\n" if raw.endswith(b"\n") else "")


def given_picture(name: str | None) -> str | bytes | None:
    """Return the name of a picture file, or what standard input holds; None where no picture is given."""
    return sys.stdin.buffer.read() if name == "-" else name
