"""Ctrl-C and its relatives: finish the step, save, say how to go on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from chainrule.runtime.world import World

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name)]


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop; it saved first. `status` is the conventional exit status.

    As Ctrl-C is, it is no `Exception`: it comes from a signal, and nobody who catches errors means it.
    """

    def __init__(self, number: int, command: str) -> None:
        self.number, self.status = number, 128 + number
        self.command = command
        super().__init__(f"stopped by {signal.Signals(number).name} after saving. To go on: {command}")


@dataclass
class Flag:
    """Which signal came, if one did.

    `command` is set where nothing is left to be saved: a signal that comes then, or came before, ends the work there
    and then.
    """

    number: int | None = None
    command: str | None = None
    since: float = 0.0

    def is_set(self, world: World) -> bool:
        """Return whether a signal has come, to whichever process: all of them ask this at the same step, and stop."""
        number = world.largest(self.number or 0)
        if number:  # or else one that came here in the meantime stays for the next time
            self.number = number
        return number > 0

    def all_is_saved(self, command: str) -> None:
        """From now on stop at once; `command` goes on.

        Raises:
            Interrupted: A signal has come.
        """
        self.command = command
        self.check()

    def check(self) -> None:
        """Stop if a signal has come and all is saved.

        Raises:
            Interrupted: So it is.
        """
        if self.number is not None and self.command is not None:
            raise Interrupted(self.number, self.command)


ONE_SIGNAL = 2.0
"""Seconds within which a process that was started by another, as `torchrun` does, takes signals for one: the terminal
and that other process both send it."""


@contextmanager
def stop_flag() -> Iterator[Flag]:
    """Turn the first signal into a flag; a second one ends the process at once.

    Handlers are set in the main thread alone, and put back afterwards. A hang-up that is ignored (`nohup`) stays so.
    """
    flag = Flag()
    grace = ONE_SIGNAL if "TORCHELASTIC_RUN_ID" in os.environ else 0.0

    def handle(number: int, frame: FrameType | None) -> None:
        if flag.number is None:
            flag.number, flag.since = number, time.monotonic()
            flag.check()
        elif time.monotonic() - flag.since >= grace:
            os._exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    kept = {getattr(signal, "SIGHUP", None)} & {n for n in SIGNALS if signal.getsignal(n) is signal.SIG_IGN}
    wanted = [number for number in SIGNALS if number not in kept]
    before = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
