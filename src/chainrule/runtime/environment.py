"""What a result depends on beside the recipe: versions, processor, threads."""

from __future__ import annotations

import functools
import os
import platform
from typing import Any

import torch

from chainrule.core.version import __version__


def set_threads(threads: int) -> None:
    """Compute with so many threads; 0 leaves torch's choice."""
    if threads > 0:
        torch.set_num_threads(threads)


def environment() -> dict[str, Any]:
    """Facts about where a run was made, as plain data.

    Example:
        >>> environment()["chainrule"] == __version__
        True
    """
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "chainrule": __version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "device": "cpu",
    }


@functools.cache
def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"
