"""Memory that is freed stays with the process, where nobody has chosen otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from chainrule.runtime.allocator import VARIABLES, keep_freed_memory

PROGRAM = """
import resource, sys
from chainrule.runtime.allocator import keep_freed_memory
print(keep_freed_memory() if sys.argv[1] == "keep" else None)
for _ in range(4):  # each asks for what the one before has freed
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [b"x" * (number + 3 * 2**22) for number in range(12)]  # 12 MiB each: 3,072 pages
    held.append(b"x" * (3 * 2**24))  # 48 MiB
    del held
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
GLIBC = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="what glibc does with freed memory"
)


def told(how: str, **variables: str) -> tuple[str, int]:
    """What it says, and how many pages the last round had to ask for."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, env={**environment, **variables}
    )
    assert done.returncode == 0, done.stderr
    said, pages = done.stdout.split()
    return said, int(pages)


@GLIBC
def test_what_is_freed_is_there_again() -> None:
    (_, usual), (said, kept) = told("leave"), told("keep")
    assert said == "True"
    assert usual > 16 * 3000  # by its usual rules every page anew
    assert kept < 500


@GLIBC
def test_who_has_chosen_is_left_alone() -> None:
    said, pages = told("keep", MALLOC_TRIM_THRESHOLD_="0")
    assert said == "False"
    assert pages > 16 * 3000


def test_it_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1.2"))
    keep_freed_memory.cache_clear()
    assert keep_freed_memory() is False
    assert keep_freed_memory() is False
    assert keep_freed_memory.cache_info().hits == 1
    keep_freed_memory.cache_clear()
