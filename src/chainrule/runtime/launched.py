"""Whether a launcher started this process as one of several; known without torch.distributed."""

from __future__ import annotations

import os

LOOPBACK = "127.0.0.1"
"""Where processes of one machine meet."""


def launched() -> bool:
    """Return whether a launcher (`chainrule train --processes`, `torchrun`) started this process as one of several."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1") and "RANK" in os.environ


def is_first() -> bool:
    """Return whether this process is the one that writes and speaks: process 0, or one alone."""
    return not launched() or os.environ["RANK"] == "0"
