"""Ctrl-C and its relatives: finish the step, save, say how to go on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """The run was asked to stop; it saved first. `status` is the conventional exit status."""

    def __init__(self, number: int, command: str) -> None:
        self.status = 128 + number
        self.command = command
        super().__init__(f"stopped by {signal.Signals(number).name} after saving. To go on: {command}")


@dataclass
class Flag:
    """Which signal came, if one did."""

    number: int | None = None


@contextmanager
def stop_flag() -> Iterator[Flag]:
    """Turn the first signal into a flag; a second one ends the process at once.

    Handlers are set in the main thread alone, and put back afterwards.
    """
    flag = Flag()

    def handle(number: int, frame: FrameType | None) -> None:
        if flag.number is not None:
            os._exit(128 + number)
        flag.number = number

    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
