"""Names and paths that come from outside: kept inside their folder, and shown on one line."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from chainrule.core.errors import UsageError

_DRIVE = re.compile(r"^[A-Za-z]:")


def shown(path: object) -> str:
    r"""Return a path in quotes for a message, on one line whatever characters it has.

    Example:
        >>> print(shown("runs/my run"), shown("a\nb"))
        "runs/my run" "a\nb"
    """
    text = os.fsdecode(path) if isinstance(path, bytes) else str(path)
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text) + '"'


def visible(text: str) -> str:
    r"""Return text with what a terminal would obey, or could not show, written out; line ends and tabs stay.

    Example:
        >>> print(visible("\x1b[31mred"))
        \x1b[31mred
    """
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in text)


def safe_join(root: str | os.PathLike[str], *parts: str) -> Path:
    r"""Return the path of `parts` under `root`, or refuse: what is returned is inside `root`, symbolic links followed.

    Refused are absolute parts, drives and network names (`C:\x`, `\\host\x`), any `..`, NUL characters, text that is no
    legal file name, and links that lead out of the folder. The file itself need not exist.

    Args:
        root: The folder that must not be left.
        parts: Names, or relative paths with `/`, from outside.

    Returns:
        The path, resolved.

    Raises:
        UsageError: The path would leave the folder, or is no path.

    Example:
        >>> safe_join("/tmp", "a", "b.txt").name
        'b.txt'
        >>> safe_join("/tmp", "../etc/passwd")
        Traceback (most recent call last):
        chainrule.core.errors.UsageError: "../etc/passwd" leads out of "/tmp": expected a name inside the folder
    """
    wanted = "/".join(parts)

    def refuse(why: str) -> UsageError:
        return UsageError(f"{shown(wanted)} {why} {shown(root)}", expected="a name inside the folder")

    for part in parts:
        if "\0" in part:
            raise refuse("has a NUL character and is no name in")
        if part.startswith(("/", "\\", "~")) or _DRIVE.match(part) or ".." in re.split(r"[/\\]", part):
            raise refuse("leads out of")
    try:
        base = Path(root).resolve()
        path = base.joinpath(*parts).resolve()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            path.stat()  # notices names that are too long
    except (OSError, ValueError, RuntimeError) as error:  # likewise a loop of links, half a surrogate pair
        raise refuse("is no name in") from error
    if path != base and base not in path.parents:
        raise refuse("leads out of")
    return path
