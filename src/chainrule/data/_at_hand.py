"""Which example is being read just now: what is told of one whose reading fails, never ends, or ends the process."""

from __future__ import annotations

import threading
from typing import Any

from chainrule.core.paths import shown

LENGTH = 1024
"""Bytes of the note that a worker process leaves for the process that waits for it."""


class _Note(threading.local):
    """What is noted in a thread: an example's number and where it lies, and the memory that other processes see."""

    example: tuple[int, str] | None = None
    place: Any = None


_note = _Note()


def at_hand(index: int, where: str) -> None:
    """Note which example is read from now on.

    Args:
        index: Its number in the set.
        where: Its file, or whatever names it.
    """
    _note.example = index, where
    if _note.place is not None:
        _write(named(index, where))


def nothing_at_hand() -> None:
    """Note that no single example is being read."""
    _note.example = None
    if _note.place is not None:
        _write("")


def noted() -> str:
    """Return the example that was noted last, in words; nothing when there is none.

    Example:
        >>> at_hand(3, "cat/4.png")
        >>> noted()
        'example 3 ("cat/4.png")'
        >>> nothing_at_hand()
        >>> noted()
        ''
    """
    return named(*_note.example) if _note.example is not None else ""


def named(index: int, where: str) -> str:
    """Return the words for an example."""
    return f"example {index} ({shown(where)})"


def keep_notes_in(place: Any) -> None:
    """Write notes to memory that another process reads.

    Args:
        place: A shared array of `LENGTH` characters.
    """
    _note.place = place


def _write(text: str) -> None:
    _note.place.value = text.encode(errors="replace")[: LENGTH - 1]


def read_note(place: Any) -> str:
    """Return what a process noted last."""
    return bytes(place.value).decode(errors="replace")
