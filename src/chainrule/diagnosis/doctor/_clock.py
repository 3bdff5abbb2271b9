"""The clock by which experiments are kept short."""

from __future__ import annotations

import time


def computed() -> float:
    """Seconds that this thread has computed.

    Waiting for others on a busy machine does not count: the same experiment takes as many steps there, and comes to the
    same answer.
    """
    return time.thread_time()
