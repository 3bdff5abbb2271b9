"""Which process has a trial, and whether that process is still there."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Return what tells this process from all others, also from a later one with its number."""
    return {"host": _host(), "pid": os.getpid(), "began": _began(os.getpid())}


def is_gone(owner: Mapping[str, Any]) -> bool | None:
    """Return whether a process has ended; None where that cannot be seen from here, on another machine.

    Example:
        >>> is_gone(this_process()), is_gone({"host": "elsewhere", "pid": 1, "began": "0"})
        (False, None)
    """
    if owner.get("host") != _host():
        return None
    pid = int(owner.get("pid", 0))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # there, and another user's
        return False
    return _began(pid) != owner.get("began")


def _host() -> str:
    """The machine, and the space of process numbers: containers of one name may each have a process 7."""
    try:
        return f"{platform.node()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def _began(pid: int) -> str:
    """When a process began, in ticks since the machine did; "ended" for one that only waits to be forgotten."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "ended" if fields[0] in "ZX" else fields[19]
