"""Where in the user's code something happens."""

from __future__ import annotations

import sys
import sysconfig
from functools import cache
from pathlib import Path
from types import FrameType

import torch

from chainrule.diagnosis.doctor._events import Line


def user_line(depth: int = 1) -> Line | None:
    """The innermost running line that is neither torch's, nor ours, nor of an installed library.

    Args:
        depth: Frames to leave out from the caller on.
    """
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        name = frame.f_code.co_filename
        if is_users(name):
            return name, frame.f_lineno
        frame = frame.f_back
    return None


@cache
def is_users(file: str) -> bool:
    """Whether a file is the user's own."""
    return not file.startswith("<") and not file.startswith(_libraries())


@cache
def _libraries() -> tuple[str, ...]:
    folders = [sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    packages = [*torch.__path__, str(Path(__file__).parents[2])]
    return tuple(folder.rstrip("/\\") + ("\\" if "\\" in folder else "/") for folder in (*folders, *packages))
