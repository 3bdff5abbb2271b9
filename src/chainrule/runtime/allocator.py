"""Memory that a step frees is there for the next one."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from functools import cache

TRIM, MMAPS = -1, -4
"""M_TRIM_THRESHOLD and M_MMAP_MAX of `mallopt`."""
KEPT = 2**31 - 1
"""Bytes of freed memory that stay with the process: as many as `mallopt` can be told."""
VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "LD_PRELOAD")
"""Where a person has chosen; the last may bring another allocator."""


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep what is freed, in place of giving it back and asking for it again; say whether it does.

    Each step of a training asks for the same memory. By its usual rules glibc gives large pieces back to the system
    when they are freed, and the next step pays for every page anew: with recurrent layers up to a third of its time
    (`benchmarks/language.py`). Pieces of 32 MiB and more, such as the scores of thousands of words at thousands of
    places, would be maps of their own that go back at once, whatever is kept; so there are no such maps. With another
    allocator, or where a person has chosen by environment variables, nothing is changed. The memory is the process's
    until it ends.

    Source:
        mallopt(3).
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in VARIABLES):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(MMAPS, 0)) and bool(mallopt(TRIM, KEPT))
