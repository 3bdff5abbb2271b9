"""Memory that a step frees is there for the next one."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from functools import cache

TRIM, MMAP = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of `mallopt`."""
KEPT = 2**31 - 1
"""Bytes of freed memory that stay with the process: as many as `mallopt` can be told."""
OWN = 2**25
"""Bytes from which on a piece is one of its own, which goes back at once: as many as `mallopt` allows."""
VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "LD_PRELOAD")
"""Where a person has chosen; the last may bring another allocator."""


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep what is freed, in place of giving it back and asking for it again; say whether it does.

    Each step of a training asks for the same memory. By its usual rules glibc gives large pieces back to the system
    when they are freed, and the next step pays for every page anew: with recurrent layers up to a third of its time
    (`benchmarks/language.py`). With another allocator, or where a person has chosen by environment variables, nothing
    is changed. The memory is the process's until it ends.

    Source:
        mallopt(3).
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in VARIABLES):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(MMAP, OWN)) and bool(mallopt(TRIM, KEPT))
