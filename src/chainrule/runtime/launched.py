"""Whether a launcher started this process as one of several; known without torch.distributed."""

from __future__ import annotations

import os

LOOPBACK = "127.0.0.1"
"""Where processes of one machine meet."""
LAUNCHER = "CHAINRULE_LAUNCHER"
"""The environment variable in which our launcher says the number of its process."""


def launched() -> bool:
    """Return whether a launcher (`chainrule train --processes`, `torchrun`) started this process as one of several."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1") and "RANK" in os.environ


def is_first() -> bool:
    """Return whether this process is the one that writes and speaks: process 0, or one alone."""
    return not launched() or os.environ["RANK"] == "0"


def launcher() -> int | None:
    """Return the number of the process that started this one and watches over it; None where there is no such."""
    if LAUNCHER in os.environ:
        return int(os.environ[LAUNCHER])
    return os.getppid() if "TORCHELASTIC_RUN_ID" in os.environ else None
